package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
)

// Answers are what a configuration is made of.
type Answers struct {
	Migration string
	Client    string // a name of Clients
	// Old and New are memcached:HOST:PORT[,HOST:PORT…], redis:HOST:PORT,
	// redis-cluster:HOST:PORT,…, redis-sentinel:MASTER@HOST:PORT,… or files:DIR.
	Old, New                         string
	OldPasswordFile, NewPasswordFile string
	MaxAge                           string   // the longest life of a session
	Lifetime                         string   // session.gc_maxlifetime, for files
	Agents                           []string // the admin address of every agent
	StateDir                         string   // of the state, the hash key and the flags
}

// Render gives the file. What does not load is an error, by its key.
func Render(a Answers) ([]byte, error) {
	c, ok := ClientOf(a.Client)
	if !ok {
		return nil, fmt.Errorf("--client %q: accepted are %s", a.Client, strings.Join(Names(), ", "))
	}
	old, err := store("--old", a.Old, a.OldPasswordFile, a.Lifetime)
	if err != nil {
		return nil, err
	}
	store, err := store("--new", a.New, a.NewPasswordFile, "")
	if err != nil {
		return nil, err
	}
	if c.Speaks == "files" != strings.HasPrefix(a.Old, "files:") {
		return nil, fmt.Errorf("--old %s: of %s it is a %s store", a.Old, c.Name, c.Speaks)
	}
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# Made by crossfade init for %s.", c.Name)
	p("# Every key, with its default, is in crossfade.reference.yaml.")
	p("migration: %s", strconv.Quote(a.Migration))
	p("agent: # name: the host's")
	p("  state_dir: %s", strconv.Quote(a.StateDir))
	p("  key_file: %s # the same on every host: copy that of the first", strconv.Quote(a.StateDir+"/hash.key"))
	p("listen:")
	if c.Speaks == "memcached" {
		p("  memcached: [\"127.0.0.1:11311\"] # where clients go, in place of old")
	}
	if c.Speaks != "memcached" || c.PHP && isRedis(a.New) { // where they go one by one later
		p("  redis: [\"127.0.0.1:16379\"]")
		if c.Speaks == "redis" && isRedis(a.Old) && a.OldPasswordFile != "" {
			p("  redis_password_file: %s # what clients say today, to the agent too", strconv.Quote(a.OldPasswordFile))
		}
	}
	p("  admin: %s", strconv.Quote(a.admin()))
	p("sessions:")
	p("  - name: %s", strings.TrimSuffix(strings.TrimSuffix(c.Name, "-redis"), "-memcached"))
	p("    keys: %s", list(c.Keys))
	if len(c.Locks) > 0 {
		p("    locks: %s", list(c.Locks))
	}
	if c.PHP && isRedis(a.New) && c.Name != "phpredis" {
		p("    new_key: %s # phpredis's names, so that clients can leave the agent one by one", strconv.Quote(phpredisKey))
		p("    new_lock: %s", strconv.Quote(phpredisLock))
	}
	if c.Format != "" {
		p("    format: %s", c.Format)
	}
	p("    max_age: %s # the longest life of a session", a.MaxAge)
	if c.Flags != 0 {
		p("    flags: %d", c.Flags)
	}
	p("old:\n  %s", old)
	p("new:\n  %s", store)
	p("flags:")
	p("  file: %s", strconv.Quote(a.StateDir+"/flags.json"))
	p("  agents: %s # every agent's admin address", list(a.Agents))
	text := []byte(b.String())
	if _, err := config.Parse("crossfade.yaml", text); err != nil {
		return nil, fmt.Errorf("what was answered makes no configuration: %w", err)
	}
	return text, nil
}

// admin is where this host's agent is asked: the first address, if it is on
// loopback; one that is not needs a token, which is for the operator to set.
func (a *Answers) admin() string {
	if len(a.Agents) > 0 && strings.HasPrefix(a.Agents[0], "127.") {
		return a.Agents[0]
	}
	return "127.0.0.1:9311"
}

func isRedis(s string) bool { return strings.HasPrefix(s, "redis") }

func list(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = strconv.Quote(t)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// store renders one store.
func store(flag, s, password, lifetime string) (string, error) {
	kind, rest, _ := strings.Cut(s, ":")
	secret := ""
	if password != "" {
		secret = ", password_file: " + strconv.Quote(password)
	}
	if rest == "" || password != "" && !isRedis(kind) {
		kind = ""
	}
	servers := strings.Split(rest, ",")
	switch kind {
	case "memcached":
		return fmt.Sprintf("memcached: {servers: %s}", list(servers)), nil
	case "redis":
		return fmt.Sprintf("redis: {addrs: %s%s}", list(servers), secret), nil
	case "redis-cluster":
		return fmt.Sprintf("redis: {addrs: %s, cluster: true%s}", list(servers), secret), nil
	case "redis-sentinel":
		if master, addrs, ok := strings.Cut(rest, "@"); ok {
			return fmt.Sprintf("redis: {sentinel: {addrs: %s, master: %s}%s}", list(strings.Split(addrs, ",")), strconv.Quote(master), secret), nil
		}
	case "files":
		if lifetime != "" {
			if _, err := strconv.Atoi(lifetime); err == nil {
				lifetime += "s" // as PHP writes it
			}
			return fmt.Sprintf("files: {dir: %s, max_lifetime: %s}", strconv.Quote(rest), lifetime), nil
		}
	}
	return "", fmt.Errorf("%s %q: accepted are memcached:HOST:PORT, redis:HOST:PORT, redis-cluster:HOST:PORT,…, redis-sentinel:MASTER@HOST:PORT,…, "+
		"and for --old files:DIR with --max-lifetime; a password file is for Redis", flag, s)
}

// Write writes a new file, mode 0600: never over one that is there.
func Write(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already and is not overwritten: name another with --config", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}
