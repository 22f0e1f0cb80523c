package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/backends/files"
	"github.com/seed-41165957/crossfade/backends/memcached/ring"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
)

// Validate reports everything that is wrong, without lines: those are known
// when a file is read (Load).
func (c *Config) Validate() error {
	l := &located{Config: *c, lines: map[string]int{}}
	l.fill()
	if ps := l.validate(); len(ps) > 0 {
		return &ProblemError{File: "config", Problems: ps}
	}
	return nil
}

// Kinds gives the sessions as package kinds wants them.
func (c *Config) Kinds() []kinds.Kind {
	out := make([]kinds.Kind, len(c.Sessions))
	for i, s := range c.Sessions {
		out[i] = kinds.Kind{Name: s.Name, Keys: s.Keys, Locks: s.Locks, NewKey: s.NewKey, NewLock: s.NewLock,
			Format: s.Format, Ignore: s.Ignore, Route: s.Route, MaxAge: s.MaxAge.Std(), LockTTL: s.LockTTL.Std(), Flags: s.Flags, Stays: s.Stays}
	}
	return out
}

var (
	migrationName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
	agentName     = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	userName      = regexp.MustCompile(`^[A-Za-z0-9._-]{0,64}$`) // empty: the default
)

type checker struct {
	c        *located
	problems []Problem
}

func (k *checker) bad(path, format string, args ...any) {
	k.problems = append(k.problems, Problem{k.c.lineOf(path), path, fmt.Sprintf(format, args...)})
}

func (c *located) validate() []Problem {
	k := &checker{c: c}
	if !migrationName.MatchString(c.Migration) {
		k.bad("migration", "%q: accepted is a name of 1 to 32 of a-z, 0-9 and -", c.Migration)
	}
	if !agentName.MatchString(c.Agent.Name) {
		k.bad("agent.name", "%q: accepted are 1 to 64 of A-Z, a-z, 0-9, dot, _ and -", c.Agent.Name)
	}
	k.filled("agent.state_dir", c.Agent.StateDir)
	k.filled("agent.key_file", c.Agent.KeyFile)
	k.listen()
	k.kinds()
	k.store("old", c.Old)
	k.store("new", c.New)
	k.flags()
	k.server()
	k.positive("timeouts.old", c.Timeouts.Old)
	k.positive("timeouts.new", c.Timeouts.New)
	k.positive("timeouts.dial", c.Timeouts.Dial)
	if k.positive("timeouts.copy", c.Timeouts.Copy); c.Timeouts.Copy.Std() > 20*time.Second {
		k.bad("timeouts.copy", "%v: accepted are up to 20s, the longest that a store may be held to refuse late copies", c.Timeouts.Copy)
	}
	k.atLeastOne("breaker.failures", int64(c.Breaker.Failures))
	k.positive("breaker.period", c.Breaker.Period)
	k.atLeastOne("dirty.max", int64(c.Dirty.Max))
	if u := c.ReadNew.Unconfirmed; u != "accept" && u != "refuse" {
		k.bad("read_new.unconfirmed", "%q: accepted are accept and refuse", u)
	}
	if q := c.Mirror.Queue; q < 1 || q > queueMost {
		k.bad("mirror.queue", "%d: accepted are 1 to %d", q, queueMost)
	}
	k.atLeastOne("mirror.queue_bytes", int64(c.Mirror.QueueBytes))
	if r := c.Compare.Ratio; !(r >= 0 && r <= 1) { // also NaN
		k.bad("compare.ratio", "%v: accepted are 0 to 1", r)
	}
	k.positive("compare.recheck", c.Compare.Recheck)
	if c.Cutover.KeepOld < 0 {
		k.bad("cutover.keep_old", "%v: accepted is a duration, or 0s for not at all", c.Cutover.KeepOld)
	}
	return k.problems
}

// queueMost keeps the lanes of the mirror, each as long as its queue may be, below
// 26 MB.
const queueMost = 100_000

func (k *checker) filled(path, v string) {
	if v == "" {
		k.bad(path, "is empty: accepted is a path")
	}
}

func (k *checker) positive(path string, d Duration) {
	if d <= 0 {
		k.bad(path, "%v: accepted is a duration above 0", d)
	}
}

func (k *checker) atLeastOne(path string, v int64) {
	if v < 1 {
		k.bad(path, "%d: accepted is 1 or more", v)
	}
}

func (k *checker) listen() {
	l := k.c.Listen
	secret := false
	for path, addrs := range map[string][]string{"listen.memcached": l.Memcached, "listen.redis": l.Redis, "listen.http": l.HTTP} {
		plain := slices.Clone(addrs)
		for i, a := range addrs {
			rest, ok := strings.CutPrefix(a, TLSPrefix)
			if plain[i] = rest; ok && strings.HasPrefix(rest, "unix:") {
				k.bad(fmt.Sprintf("%s[%d]", path, i), "%q: accepted are host:port, tls:host:port and unix:path", a)
			}
			secret = secret || ok
		}
		k.addrs(path, plain, true)
	}
	k.atLeastOne("listen.connections", int64(l.Connections))
	switch {
	case !userName.MatchString(l.RedisUser):
		k.bad("listen.redis_user", "%q: accepted are up to 64 of A-Z, a-z, 0-9, dot, _ and -; empty for default", l.RedisUser)
	case l.RedisUser != "" && !l.RedisPasswordFile.Set():
		k.bad("listen.redis_user", "stands without a password: accepted is redis_password_file with it")
	case l.RedisPasswordFile.Set() && len(l.Redis) == 0:
		k.bad("listen.redis_password_file", "no address uses it: accepted is one in listen.redis")
	}
	switch t := l.TLS; {
	case t.On() && (t.CertFile == "" || !t.KeyFile.Set()):
		k.bad("listen.tls", "accepted are cert_file and key_file together, with or without client_ca_file")
	case secret && !t.On():
		k.bad("listen.tls", "is needed for the addresses that begin with tls: accepted are cert_file and key_file, with or without client_ca_file")
	case t.On() && !secret:
		k.bad("listen.tls", "no address uses it: accepted is one that begins with tls:, as tls:0.0.0.0:11311")
	}
	if !k.addr("listen.admin", l.Admin, true) {
		return
	}
	if !Loopback(l.Admin) && !l.AdminTokenFile.Set() {
		k.bad("listen.admin", "%q can be reached from outside: name a listen.admin_token_file, or listen on 127.0.0.1", l.Admin)
	}
}

// TLSPrefix begins an address at which clients speak TLS.
const TLSPrefix = "tls:"

// Loopback tells whether only this host reaches the address. A name other than
// localhost is not trusted to be it.
func Loopback(addr string) bool {
	if strings.HasPrefix(addr, "unix:") {
		return true
	}
	host, _, _ := net.SplitHostPort(addr)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func (k *checker) addrs(path string, list []string, unix bool) {
	seen := map[string]bool{}
	for i, a := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		k.addr(at, a, unix)
		if seen[a] {
			k.bad(at, "%q stands twice: accepted is each address once", a)
		}
		seen[a] = true
	}
}

func (k *checker) addr(path, a string, unix bool) bool {
	accepted := "host:port, a port from 1 to 65535"
	if unix {
		accepted += ", or unix:path"
		if p, ok := strings.CutPrefix(a, "unix:"); ok && p != "" {
			return true
		}
	}
	host, port, err := net.SplitHostPort(a)
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil || n == 0 || host == "" && !unix {
		k.bad(path, "%q: accepted is %s", a, accepted)
		return false
	}
	return true
}

func (k *checker) kinds() {
	_, err := kinds.Compile(k.c.Kinds())
	var pe *kinds.ProblemError
	if !errors.As(err, &pe) {
		return
	}
	for _, p := range pe.Problems {
		path := fmt.Sprintf("sessions[%d].%s", p.Kind, p.Field)
		if p.Field == "keys" || p.Field == "locks" || p.Field == "ignore" {
			path += fmt.Sprintf("[%d]", p.Item)
		}
		if len(k.c.Sessions) == 0 {
			path = "sessions"
		}
		k.bad(path, "%s", p.Text)
	}
}

const built = "memory, files, memcached, mysql, hybrid, redis"

func (k *checker) store(side string, s Store) {
	set := 0
	for _, f := range []struct {
		name string
		set  bool
		ok   bool
	}{
		{"memory", s.Memory != nil, true}, {"memcached", s.Memcached != nil, true}, {"redis", s.Redis != nil, true},
		{"files", s.Files != nil, true}, {"mysql", s.MySQL != nil, true},
		{"hybrid", s.Hybrid != nil, true}, {"dynamodb", s.DynamoDB != nil, false},
	} {
		if f.set {
			set++
			if !f.ok {
				k.bad(side+"."+f.name, "not built in this version: accepted are %s", built)
			}
		} else if k.c.lines[side+"."+f.name] > 0 {
			set++
			k.bad(side+"."+f.name, "is empty: accepted is %s: {} or its keys", f.name)
		}
	}
	if set != 1 {
		k.bad(side, "names %d stores: accepted is exactly one of %s", set, built)
	}
	if m := s.Memcached; m != nil {
		k.memcached(side+".memcached", m)
	}
	if f := s.Files; f != nil {
		k.files(side+".files", side, f)
	}
	if m := s.MySQL; m != nil {
		k.mysql(side+".mysql", *m)
	}
	if h := s.Hybrid; h != nil {
		k.hybrid(side+".hybrid", side, h)
	}
	if s.Redis != nil {
		k.redis(side+".redis", s.Redis)
	}
}

func (k *checker) memcached(path string, m *Memcached) {
	if len(m.Servers) == 0 {
		k.bad(path+".servers", "is empty: accepted is a list of host:port[:weight] [name]")
		return
	}
	var servers []ring.Server
	seen := map[string]bool{}
	for i, text := range m.Servers {
		at := fmt.Sprintf("%s.servers[%d]", path, i)
		s, err := ring.ParseServer(text)
		switch {
		case err != nil:
			k.bad(at, "%v", err)
		case seen[s.Addr]:
			k.bad(at, "%q stands twice: accepted is each address once", s.Addr)
		}
		servers, seen[s.Addr] = append(servers, s), true
	}
	switch m.Hash {
	case ring.Ketama, ring.KetamaWeighted, ring.Modulo:
	default:
		k.bad(path+".hash", "%q: accepted are ketama (libmemcached's own), ketama_weighted (libketama, twemproxy's ketama) and modulo", m.Hash)
		return
	}
	switch {
	case m.Replicated == "":
	case m.Replicated != ByAgents && m.Replicated != ByServers:
		k.bad(path+".replicated", "%q: accepted are by-agents (each agent writes both), by-servers (they copy among themselves) and none: a ring", m.Replicated)
	case len(servers) != 2 || slices.ContainsFunc(servers, func(s ring.Server) bool { return s.Weight > 1 || s.Name != "" }):
		k.bad(path+".replicated", "is set: accepted as servers are two, as host:port without weight and name, since both hold everything")
	case m.Hash != DefaultHash || m.KeyHash != "":
		k.bad(path+".replicated", "is set: both servers hold everything, so accepted is to leave hash and key_hash out")
	}
	if _, err := ring.NewRouter(servers, m.Hash, m.KeyHash); err != nil {
		k.bad(path+".key_hash", "%q: accepted are md5, fnv1a_64 (twemproxy's default), one_at_a_time, and none: what libmemcached has with that hash", m.KeyHash)
	}
}

func (k *checker) hybrid(path, side string, h *Hybrid) {
	if side == "new" {
		k.bad(path, "is what sites come from: accepted is hybrid as old")
	}
	k.memcached(path+".memcached", &h.Memcached)
	k.mysql(path+".mysql", h.MySQL)
	// Two names, with the prefix and without, would be one row; a table whose
	// ids have another form would hold no session that is known.
	for i, kind := range k.c.Sessions {
		if len(kind.Keys) > 0 && !strings.HasPrefix(kind.Keys[0], h.KeyPrefix) {
			k.bad(path+".key_prefix", "%q: sessions[%d].keys[0] does not begin with it: accepted is what all names in old begin with, or none", h.KeyPrefix, i)
		}
	}
	if h.SyncEvery.Std() < time.Second {
		k.bad(path+".sync_every", "%v: accepted is 1s or more", h.SyncEvery)
	}
	if e := h.Reap.Every.Std(); e < 0 || e > 0 && e < time.Minute {
		k.bad(path+".reap.every", "%v: accepted is 0s (never) or 1m or more", h.Reap.Every)
	}
	if h.Reap.Every > 0 && h.MySQL.Writes == "app" {
		k.bad(path+".reap.every", "stands beside mysql.writes: app, where the application's own job deletes rows: accepted is 0s")
	}
	if h.Reap.Batch < 1 || h.Reap.Batch > 10_000 || h.Reap.Pause < 0 {
		k.bad(path+".reap", "batch %d, pause %v: accepted are 1 to 10000, and 0s or more", h.Reap.Batch, h.Reap.Pause)
	}
	if h.SQLLogouts && h.MySQL.SyncWait == "off" {
		k.bad(path+".sql_logouts", "stands beside mysql.sync_wait: \"off\", where a node that is behind looks like a logout: accepted is one of the two")
	}
	if h.SQLLogouts && h.MySQL.Writes == "app" {
		k.bad(path+".sql_logouts", "stands beside mysql.writes: app: accepted is one of the two (the application itself then sees to it)")
	}
}

func (k *checker) files(path, side string, f *Files) {
	if side == "new" {
		k.bad(path, "is of one host: accepted is files as old")
	}
	if err := files.CheckSavePath(f.Dir); err != nil {
		k.bad(path+".dir", "%q: accepted is PHP's session.save_path: /dir, N;/dir or N;MODE;/dir", f.Dir)
	}
	if f.MaxLifetime.Std() < time.Second {
		k.bad(path+".max_lifetime", "%v: accepted is PHP's session.gc_maxlifetime, 1s or more, as 24m", f.MaxLifetime)
	}
	if !userName.MatchString(f.Owner) {
		k.bad(path+".owner", "%q: accepted is the name or number of the user that PHP runs as", f.Owner)
	}
}

func (k *checker) servers(path string, list []string, unix bool) {
	if len(list) == 0 {
		k.bad(path, "is empty: accepted is a list of host:port")
	}
	k.addrs(path, list, unix)
}
