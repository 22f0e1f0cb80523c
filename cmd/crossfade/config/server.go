package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Server is the control plane, where there is one: crossfade server.
type Server struct {
	Name   string `yaml:"name"`
	Listen string `yaml:"listen"`
	// TokenFile holds the bearer token that agents and people show.
	TokenFile SecretFile `yaml:"token_file"`
	// UsersFile holds the people who may sign in, and their roles; empty: nobody
	// signs in.
	UsersFile string    `yaml:"users_file"`
	TLS       ServerTLS `yaml:"tls"`
	// Insecure lets a server off loopback speak without TLS: the token then
	// travels in clear.
	Insecure bool `yaml:"insecure"`
	// StateDir keeps the record, where MySQL does not.
	StateDir string      `yaml:"state_dir"`
	MySQL    ServerMySQL `yaml:"mysql"`
	// Lease is how long after the last sign of life of the server that leads
	// another one goes on.
	Lease Duration `yaml:"lease"`
	// Plan is a file with the way to go; empty: the one that is built in.
	Plan string `yaml:"plan"`
	// PlanAuto lets its steps follow by themselves.
	PlanAuto bool `yaml:"plan_auto"`
	// Synthetic is how often each agent makes a round trip with a synthetic
	// session; 0: never.
	Synthetic Duration `yaml:"synthetic"`
	// Webhooks are told of what is written to the log.
	Webhooks []Webhook `yaml:"webhooks"`
}

// ServerTLS is what a server, or an agent to its clients, speaks TLS with; read
// again when it changes.
type ServerTLS struct {
	CertFile string     `yaml:"cert_file"`
	KeyFile  SecretFile `yaml:"key_file"`
	// ClientCAFile, where set, signs the certificates that who connects has to show,
	// beside the token where there is one.
	ClientCAFile string `yaml:"client_ca_file"`
}

// On tells whether TLS is spoken.
func (t ServerTLS) On() bool { return t != ServerTLS{} }

// ServerMySQL is a database that keeps the record, for several servers.
type ServerMySQL struct {
	Hosts        []string   `yaml:"hosts"`
	Database     string     `yaml:"database"`
	User         string     `yaml:"user"`
	PasswordFile SecretFile `yaml:"password_file"`
	TLS          MySQLTLS   `yaml:"tls"`
}

// Webhook is a receiver of the log's entries.
type Webhook struct {
	URL        string     `yaml:"url"`
	SecretFile SecretFile `yaml:"secret_file"`
	// Events are the verbs whose entries it gets; empty: all.
	Events []string `yaml:"events"`
}

// webhookEvents are the verbs of the log.
var webhookEvents = []string{"revision", "ramp", "rollback", "backfill", "verify", "declare-down", "recover", "observe", "forget", "advance", "advance --auto", "hold", "release", "catch up", "repair", "repair-undo", "complete", "fault", "pin", "unpin", "job", "sign-in", "sign-out"}

func (k *checker) webhooks() {
	for i, w := range k.c.Server.Webhooks {
		at := fmt.Sprintf("server.webhooks[%d]", i)
		if u, err := url.Parse(w.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			k.bad(at+".url", "accepted is an address that begins with http:// or https://")
		}
		if !w.SecretFile.Set() {
			k.bad(at+".secret_file", "is missing: accepted is a file with the secret that signs")
		}
		for _, e := range w.Events {
			if !slices.Contains(webhookEvents, e) {
				k.bad(at+".events", "%q: accepted are %s", e, strings.Join(webhookEvents, ", "))
			}
		}
	}
}

// On tells whether the record is kept there.
func (m *ServerMySQL) On() bool { return len(m.Hosts) > 0 || m.Database != "" || m.User != "" }

func (k *checker) server() {
	s := k.c.Server
	if s.Name != "" && !agentName.MatchString(s.Name) {
		k.bad("server.name", "%q: accepted are 1 to 64 of A-Z, a-z, 0-9, dot, _ and -", s.Name)
	}
	if k.addr("server.listen", s.Listen, false) && !Loopback(s.Listen) && !s.TokenFile.Set() {
		k.bad("server.listen", "%q can be reached from outside: name a server.token_file, or listen on 127.0.0.1", s.Listen)
	}
	if s.UsersFile != "" && !s.TokenFile.Set() {
		k.bad("server.users_file", "people sign in, and agents do not: name a server.token_file for them, the same on every host")
	}
	if t := s.TLS; t.On() && (t.CertFile == "" || !t.KeyFile.Set()) {
		k.bad("server.tls", "accepted are cert_file and key_file together, with or without client_ca_file")
	}
	if s.Listen != "" && !Loopback(s.Listen) && !s.TLS.On() && !s.Insecure {
		k.bad("server.listen", "%q can be reached from outside, and the token would travel in clear: name server.tls.cert_file and key_file, or say server.insecure: true, for a tunnel or a network of its own", s.Listen)
	}
	if l := s.Lease.Std(); l < time.Second || l > time.Minute {
		k.bad("server.lease", "%v: accepted are 1s to 1m", s.Lease)
	}
	if every := s.Synthetic.Std(); every != 0 && (every < time.Second || every > 10*time.Minute) {
		k.bad("server.synthetic", "%v: accepted are 1s to 10m, or 0s for never", s.Synthetic)
	}
	k.webhooks()
	if m := s.MySQL; m.On() {
		k.servers("server.mysql.hosts", m.Hosts, true)
		k.sqlName("server.mysql.database", m.Database, true)
		if m.User == "" {
			k.bad("server.mysql.user", "is missing: accepted is the name of a database user")
		}
		if (m.TLS.CertFile != "") != m.TLS.KeyFile.Set() {
			k.bad("server.mysql.tls", "a client certificate needs its key: accepted are cert_file and key_file, or neither")
		}
	} else {
		k.filled("server.state_dir", s.StateDir)
	}
}

func (k *checker) flags() {
	f := k.c.Flags
	k.addrs("flags.agents", f.Agents, true)
	if f.CAFile == "" && (f.CertFile != "" || f.KeyFile.Set()) || (f.CertFile != "") != f.KeyFile.Set() {
		k.bad("flags.cert_file", "accepted are cert_file and key_file together, beside ca_file")
	}
	if f.URL != "" {
		k.flagsURL()
		return
	}
	if f.TokenFile.Set() {
		k.bad("flags.token_file", "stands without flags.url: the token for servers is server.token_file")
	}
	if len(f.Server) == 0 {
		for i, a := range f.Agents { // an admin port speaks no TLS
			if !Loopback(a) && !f.Insecure {
				k.bad(fmt.Sprintf("flags.agents[%d]", i), "%q is another host, and the token would travel in clear: name flags.server and its flags.ca_file in place of file and agents, or say flags.insecure: true, for a tunnel or a network of its own", a)
			}
		}
		if f.File == "" {
			k.bad("flags.file", "is missing: accepted is the path of a flagd file, or flags.server, or flags.url")
		}
		return
	}
	k.addrs("flags.server", f.Server, false)
	if f.File != "" {
		k.bad("flags.file", "stands beside flags.server: accepted is one of the two")
	}
	if len(f.Agents) > 0 {
		k.bad("flags.agents", "stands beside flags.server, which knows its agents: accepted is one of the two")
	}
	for _, a := range f.Server {
		if !Loopback(a) && f.CAFile == "" && !f.Insecure {
			k.bad("flags.server", "%q is another host, and the token would travel in clear: name flags.ca_file, or say flags.insecure: true, for a tunnel or a network of its own", a)
		}
		if !Loopback(a) && !k.c.Server.TokenFile.Set() {
			k.bad("flags.server", "%q is another host: name a server.token_file, the same on every host", a)
		}
	}
}

// flagsURL: whoever can answer in the place of the address moves sessions to
// mirror and, with a definition of ours, further.
func (k *checker) flagsURL() {
	f := k.c.Flags
	u, err := url.Parse(f.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil:
		k.bad("flags.url", "accepted is an address that begins with http:// or https://, without a password in it: flags.token_file is for that")
	case u.Scheme == "http" && !Loopback(net.JoinHostPort(u.Hostname(), "0")) && !f.Insecure:
		k.bad("flags.url", "it is another host, and anybody on the way could answer: accepted is https://, or flags.insecure: true, for a tunnel or a network of its own")
	case u.Scheme == "http" && f.CAFile != "":
		k.bad("flags.ca_file", "stands beside a flags.url without TLS: accepted is https://")
	}
	if f.File != "" || len(f.Server) > 0 || len(f.Agents) > 0 {
		k.bad("flags.url", "stands beside file, server or agents: accepted is it alone, as the migration is moved from where the flags are made")
	}
}
