package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

const reference = "../../../crossfade.reference.yaml"

// TestReference: the reference file has every key, and says the defaults.
func TestReference(t *testing.T) {
	got, err := Load(reference)
	if err != nil {
		t.Fatal(err)
	}
	c := *got
	// What the file says is needed has no default.
	c.Migration, c.Agent.Name, c.Sessions, c.Old, c.New, c.Flags.File, c.Server.Name, c.Server.Webhooks = "", "", nil, Store{}, Store{}, "", "", nil
	// An empty list in the file is none in the code.
	for _, l := range []*[]string{&c.Listen.Memcached, &c.Listen.Redis, &c.Listen.HTTP, &c.Flags.Server, &c.Flags.Agents, &c.Server.MySQL.Hosts} {
		if len(*l) == 0 {
			*l = nil
		}
	}
	if want := Default(); !reflect.DeepEqual(c, want) {
		t.Errorf("the reference file says\n%+v, Default says\n%+v", c, want)
	}
	raw, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	l, ps := decode(raw)
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	for _, path := range keysOf(reflect.TypeFor[Config](), "") {
		if l.lines[path] == 0 {
			t.Errorf("the reference file does not show %s", path)
		}
	}
	if got.Sessions[0].LockTTL != Duration(30*time.Second) || got.Old.Memcached.Hash != DefaultHash {
		t.Errorf("examples differ from their defaults: %+v", got.Sessions[0])
	}
}

// keysOf lists the keys of a type that the reference file must show: stores
// that are not built are named in a comment only.
func keysOf(t reflect.Type, path string) (keys []string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct {
		if t.Kind() == reflect.Slice {
			path += "[0]"
		}
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(unmarshaler) {
		return []string{path}
	}
	for i := range t.NumField() {
		at := strings.TrimPrefix(path+"."+t.Field(i).Tag.Get("yaml"), ".")
		switch {
		case strings.HasPrefix(at, "old.") && t.Field(i).Name != "Memcached" && t == reflect.TypeFor[Store](),
			strings.HasPrefix(at, "new.") && t.Field(i).Name != "Redis" && t == reflect.TypeFor[Store]():
			continue
		}
		keys = append(keys, keysOf(t.Field(i).Type, at)...)
	}
	return keys
}

const least = `migration: shop
sessions:
  - {name: php, keys: ["memc.sess.key.{id: [a-z0-9]+}"]}
old: {memory: {}}
new: {redis: {addrs: ["10.0.0.1:6379"]}}
flags: {file: flags.json}
`

func TestLeast(t *testing.T) {
	c, err := Parse("crossfade.yaml", []byte(least))
	if err != nil {
		t.Fatal(err)
	}
	host, _ := os.Hostname()
	if c.Agent.Name != host || c.Timeouts.New.Std() != 250*time.Millisecond || c.Old.Memory == nil {
		t.Errorf("got %+v", c)
	}
	if ks := c.Kinds(); len(ks) != 1 || ks[0].Name != "php" {
		t.Errorf("kinds %+v", ks)
	}
	if err := c.Validate(); err != nil {
		t.Errorf("Validate of what was parsed: %v", err)
	}
}

// TestRefuses adds or changes one thing; the error must tell the line, the key
// and what is accepted.
func TestRefuses(t *testing.T) {
	tests := []struct {
		name, from, to string
		want           string
	}{
		{"unknown key", "flags: {", "flag: {", "c.yaml:6: flag: unknown key: accepted are migration, agent, listen"},
		{"unknown inner key", "{file: flags.json}", "{file: flags.json, files: x}", "c.yaml:6: flags.files: unknown key: accepted are file, server, url, token_file, agents"},
		{"unknown key of a kind", "{name: php,", "{name: php, lock: x,", "c.yaml:3: sessions[0].lock: unknown key"},
		{"unknown key of memory", "{memory: {}}", "{memory: {size: 1}}", "c.yaml:4: old.memory.size: unknown key: accepted are none"},
		{"key twice", "migration: shop", "migration: shop\nmigration: shop", "already defined"},
		{"migration", "shop", "Shop", "c.yaml:1: migration: \"Shop\": accepted is"},
		{"no store", "old: {memory: {}}", "old: {}", "c.yaml:4: old: names 0 stores: accepted is exactly one of memory, files, memcached, mysql, hybrid, redis"},
		{"two stores", "{memory: {}}", `{memory: {}, redis: {addrs: ["a:1"]}}`, "c.yaml:4: old: names 2 stores"},
		{"people without the fleet's token", "flags: {file: flags.json}", "flags: {file: flags.json}\nserver: {users_file: people.yaml}", "c.yaml:7: server.users_file: people sign in, and agents do not: name a server.token_file"},
		{"bare memory", "{memory: {}}", "{memory: }", "c.yaml:4: old.memory: is empty"},
		{"hybrid", "old: {memory: {}}", `old: {hybrid: {memcached: {servers: ["a:1"]}}}`, "old.hybrid.mysql.hosts: is empty"},
		{"hybrid of other names", "old: {memory: {}}", `old: {hybrid: {key_prefix: "sess:", memcached: {servers: ["a:1"]}, mysql: {hosts: ["a:1"], database: d, user: u}}}`,
			"c.yaml:4: old.hybrid.key_prefix: \"sess:\": sessions[0].keys[0] does not begin with it"},
		{"mysql", "old: {memory: {}}", `old: {mysql: {hosts: ["a:1"]}}`, "old.mysql.database: is missing"},
		{"files without a path", "old: {memory: {}}", `old: {files: {dir: x, max_lifetime: 24m}}`, "c.yaml:4: old.files.dir: \"x\": accepted is PHP's session.save_path"},
		{"files without a lifetime", "old: {memory: {}}", `old: {files: {dir: "2;/x"}}`, "c.yaml:4: old.files.max_lifetime: 0s: accepted is PHP's session.gc_maxlifetime"},
		{"files' owner", "old: {memory: {}}", `old: {files: {dir: /x, max_lifetime: 24m, owner: "www data"}}`, "c.yaml:4: old.files.owner"},
		{"files' unknown key", "old: {memory: {}}", `old: {files: {dir: /x, path: /y}}`, "c.yaml:4: old.files.path: unknown key: accepted are dir, max_lifetime, owner"},
		{"files as new", `new: {redis: {addrs: ["10.0.0.1:6379"]}}`, `new: {files: {dir: /x, max_lifetime: 24m}}`, "c.yaml:5: new.files: is of one host: accepted is files as old"},
		{"dynamodb", "old: {memory: {}}", `old: {dynamodb: {table: x}}`, "old.dynamodb: not built"},
		{"no servers", "old: {memory: {}}", "old: {memcached: {servers: []}}", "old.memcached.servers: is empty"},
		{"pair of three", "old: {memory: {}}", `old: {memcached: {servers: ["a:1", "b:1", "c:1"], replicated: by-agents}}`, "accepted as servers are two"},
		{"pair with weights", "old: {memory: {}}", `old: {memcached: {servers: ["a:1:2", "b:1"], replicated: by-servers}}`, "accepted as servers are two"},
		{"pair with a hash", "old: {memory: {}}", `old: {memcached: {servers: ["a:1", "b:1"], replicated: by-agents, hash: modulo}}`, "leave hash and key_hash out"},
		{"replicated", "old: {memory: {}}", `old: {memcached: {servers: ["a:1", "b:1"], replicated: "yes"}}`, "by-agents"},
		{"hash", "old: {memory: {}}", `old: {memcached: {servers: ["a:1"], hash: md5}}`, "ketama_weighted"},
		{"address", `10.0.0.1:6379`, `10.0.0.1`, "c.yaml:5: new.redis.addrs[0]: \"10.0.0.1\": accepted is host:port"},
		{"no address", `["10.0.0.1:6379"]`, "[]", "c.yaml:5: new.redis.addrs: is empty"},
		{"database of a cluster", `{addrs: ["10.0.0.1:6379"]}`, `{cluster: true, database: 1, addrs: ["a:1"]}`, "new.redis.database: 1: accepted is 0 or more, and 0 in a cluster"},
		{"socket of a cluster", `["10.0.0.1:6379"]`, `["a:1", "unix:x"]`, "new.redis.addrs[1]: \"unix:x\": accepted is host:port"},
		{"sentinel and address", `{addrs: ["10.0.0.1:6379"]}`, `{addrs: ["a:1"], sentinel: {addrs: ["b:2"], master: m}}`, "new.redis.sentinel: stands beside addrs"},
		{"sentinel without master", `{addrs: ["10.0.0.1:6379"]}`, `{sentinel: {addrs: ["b:2"]}}`, "new.redis.sentinel.master: is empty"},
		{"sentinel without address", `{addrs: ["10.0.0.1:6379"]}`, `{sentinel: {master: m}}`, "new.redis.sentinel.addrs: is empty"},
		{"unknown key of sentinel", `{addrs: ["10.0.0.1:6379"]}`, `{sentinel: {name: m}}`, "new.redis.sentinel.name: unknown key: accepted are addrs, master, user, password_file"},
		{"a proxy with databases", `{addrs:`, `{proxied: true, database: 1, addrs:`, "new.redis.proxied: stands beside sentinel, cluster, a database or a user"},
		{"half a certificate", `{addrs:`, `{tls: {cert_file: x}, addrs:`, "new.redis.tls: cert_file without key_file"},
		{"no flags", "{file: flags.json}", "{}", "c.yaml:6: flags.file: is missing"},
		{"flag server outside", "{file: flags.json}", `{server: ["a:1"]}`, "flags.server: \"a:1\" is another host: name a server.token_file"},
		{"flag server in clear", "{file: flags.json}", `{server: ["a:1"]}`, "c.yaml:6: flags.server: \"a:1\" is another host, and the token would travel in clear: name flags.ca_file, or say flags.insecure: true"},
		{"half a certificate for servers", "{file: flags.json}", `{server: ["127.0.0.1:1"], ca_file: x, cert_file: y}`, "flags.cert_file: accepted are cert_file and key_file together"},
		{"server in clear", "migration", "server: {listen: \"0.0.0.0:9310\", token_file: x}\nmigration", "c.yaml:1: server.listen: \"0.0.0.0:9310\" can be reached from outside, and the token would travel in clear"},
		{"half of server's tls", "migration", "server: {tls: {cert_file: x}}\nmigration", "c.yaml:1: server.tls: accepted are cert_file and key_file together"},
		{"flag server and file", "{file: flags.json}", `{file: flags.json, server: ["127.0.0.1:1"]}`, "flags.file: stands beside flags.server"},
		{"flag server and agents", "{file: flags.json}", `{agents: ["127.0.0.1:2"], server: ["127.0.0.1:1"]}`, "flags.agents: stands beside flags.server"},
		{"no flags", "{file: flags.json}", "{}", "flags.file: is missing: accepted is the path of a flagd file, or flags.server"},
		{"agents in clear", "{file: flags.json}", `{file: flags.json, agents: ["127.0.0.1:1", "10.0.0.17:9311"]}`, "flags.agents[1]: \"10.0.0.17:9311\" is another host, and the token would travel in clear: name flags.server"},
		{"flag url and file", "{file: flags.json}", `{file: flags.json, url: "https://a/f"}`, "flags.url: stands beside file"},
		{"flag url and agents", "{file: flags.json}", `{url: "https://a/f", agents: ["127.0.0.1:2"]}`, "flags.url: stands beside file, server or agents"},
		{"flag url in clear", "{file: flags.json}", `{url: "http://flags.example/f"}`, "c.yaml:6: flags.url: it is another host, and anybody on the way could answer"},
		{"flag url with a password", "{file: flags.json}", `{url: "https://me:pw@a/f"}`, "without a password in it"},
		{"flag url of a file", "{file: flags.json}", `{url: "file:///flags.json"}`, "flags.url: accepted is an address that begins with"},
		{"flag url without TLS, and a CA", "{file: flags.json}", `{url: "http://127.0.0.1/f", ca_file: x}`, "flags.ca_file: stands beside a flags.url without TLS"},
		{"a token without url", "{file: flags.json}", `{file: flags.json, token_file: x}`, "flags.token_file: stands without flags.url"},
		{"server outside", "migration", "server: {listen: \"0.0.0.0:9310\"}\nmigration", "c.yaml:1: server.listen: \"0.0.0.0:9310\" can be reached from outside: name a server.token_file"},
		{"server's database", "migration", "server: {lease: 1ms, mysql: {hosts: [\"a:1\"], database: app}}\nmigration", "server.mysql.user: is missing"},
		{"bad kind", "[a-z0-9]+", "[a-z0-9]*", "c.yaml:3: sessions[0].keys[0]: "},
		{"no kinds", "sessions:\n  - {name: php, keys: [\"memc.sess.key.{id: [a-z0-9]+}\"]}", "sessions: []", "c.yaml:2: sessions: no kinds"},
		{"admin outside", "migration", "listen: {admin: \"0.0.0.0:9311\"}\nmigration", "c.yaml:1: listen.admin: \"0.0.0.0:9311\" can be reached from outside: name a listen.admin_token_file"},
		{"clients' password of nobody", "migration", "listen: {redis_password_file: x}\nmigration", "listen.redis_password_file: no address uses it"},
		{"no clients", "migration", "listen: {connections: 0}\nmigration", "listen.connections: 0: accepted is 1 or more"},
		{"clients' user without a password", "migration", "listen: {redis: [\"127.0.0.1:1\"], redis_user: web}\nmigration", "listen.redis_user: stands without a password"},
		{"clients' user", "migration", "listen: {redis: [\"127.0.0.1:1\"], redis_user: \"a b\", redis_password_file: x}\nmigration", "listen.redis_user: \"a b\": accepted are"},
		{"admin everywhere", "migration", "listen: {admin: \":9311\"}\nmigration", "admin_token_file"},
		{"admin by name", "migration", "listen: {admin: \"web-17:9311\"}\nmigration", "admin_token_file"},
		{"bare number", "migration", "timeouts: {old: 1}\nmigration", "c.yaml:1: \"1\": accepted is a duration with its unit"},
		{"no duration", "migration", "timeouts: {old: soon}\nmigration", "accepted is a duration"},
		{"zero timeout", "migration", "timeouts: {new: 0s}\nmigration", "timeouts.new: 0s: accepted is a duration above 0"},
		{"long copy", "migration", "timeouts: {copy: 21s}\nmigration", "up to 20s"},
		{"size", "migration", "mirror: {queue_bytes: 64MB}\nmigration", "c.yaml:1: \"64MB\": accepted is a number of bytes"},
		{"huge size", "migration", "mirror: {queue_bytes: 9999999999GiB}\nmigration", "accepted is a number of bytes"},
		{"port", `10.0.0.1:6379`, `10.0.0.1:65536`, "c.yaml:5: new.redis.addrs[0]: \"10.0.0.1:65536\": accepted is host:port, a port from 1 to 65535"},
		{"long queue", "migration", "mirror: {queue: 100001}\nmigration", "mirror.queue: 100001: accepted are 1 to 100000"},
		{"queue", "migration", "mirror: {queue: 0}\nmigration", "mirror.queue: 0: accepted are 1 to 100000"},
		{"failures", "migration", "breaker: {failures: -1}\nmigration", "breaker.failures"},
		{"dirty", "migration", "dirty: {max: 0}\nmigration", "dirty.max"},
		{"ratio", "migration", "compare: {ratio: 1.5}\nmigration", "compare.ratio: 1.5: accepted are 0 to 1"},
		{"ratio NaN", "migration", "compare: {ratio: .nan}\nmigration", "compare.ratio"},
		{"unconfirmed", "migration", "read_new: {unconfirmed: maybe}\nmigration", "accept and refuse"},
		{"agent name", "migration", "agent: {name: a b}\nmigration", "agent.name"},
		{"address twice", "migration", "listen: {redis: [\"a:1\", \"a:1\"]}\nmigration", "listen.redis[1]: \"a:1\" stands twice"},
		{"wrong type", "migration: shop", "migration: [shop]", "c.yaml:1"},
		{"no YAML", "migration: shop", "migration: {", "c.yaml:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(least, tt.from) {
				t.Fatalf("%q is not in the file", tt.from)
			}
			_, err := Parse("c.yaml", []byte(strings.Replace(least, tt.from, tt.to, 1)))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := Parse("c.yaml", nil); err == nil {
		t.Error("an empty file was taken")
	}
}

// TestAllAtOnce: every problem is told, in the order of the file.
func TestAllAtOnce(t *testing.T) {
	bad := strings.NewReplacer("shop", "SHOP", "php", "P P", "memory: {}", "", "flags.json", "''").Replace(least)
	_, err := Parse("c.yaml", []byte(bad))
	var pe *ProblemError
	if !errors.As(err, &pe) {
		t.Fatalf("got %v, want a ProblemError", err)
	}
	var lines []int
	for _, p := range pe.Problems {
		lines = append(lines, p.Line)
	}
	if want := []int{1, 3, 4, 6}; !reflect.DeepEqual(lines, want) {
		t.Errorf("problems on lines %v, want %v:\n%v", lines, want, err)
	}
}

func TestAdmin(t *testing.T) {
	for addr, ok := range map[string]bool{"127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true, "localhost:1": true, "unix:x": true,
		"0.0.0.0:1": false, "[::]:1": false, ":1": false, "10.1.1.1:1": false, "localhost.example:1": false} {
		if got := Loopback(addr); got != ok {
			t.Errorf("Loopback(%q) = %v, want %v", addr, got, ok)
		}
	}
	_, err := Parse("c.yaml", []byte(least+"listen: {admin: \"0.0.0.0:1\", admin_token_file: token}\n"))
	if err != nil {
		t.Errorf("with a token: %v", err)
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hidden-path")
	if err := os.WriteFile(path, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Parse("c.yaml", []byte(strings.Replace(least, "{addrs:", "{password_file: "+path+", addrs:", 1)))
	if err != nil {
		t.Fatal(err)
	}
	secret := c.New.Redis.PasswordFile
	if got, err := secret.Read(); err != nil || got != "hunter2" {
		t.Errorf("Read: %v", err)
	}
	asJSON, _ := json.Marshal(c)
	for _, text := range []string{string(asJSON), fmt.Sprintf("%v %+v %#v %s", secret, secret, secret, secret), fmt.Sprintf("%+v", *c.New.Redis)} {
		if strings.Contains(text, "hidden-path") || strings.Contains(text, "hunter2") || !strings.Contains(text, "secret") {
			t.Errorf("prints %s", text)
		}
	}
}

func TestTypes(t *testing.T) {
	for d, want := range map[time.Duration]string{48 * time.Hour: "48h", 90 * time.Minute: "1h30m", 250 * time.Millisecond: "250ms", 0: "0s", 10 * time.Minute: "10m", 100 * time.Second: "1m40s"} {
		if got := Duration(d).String(); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	for s, want := range map[Size]string{64 << 20: "64MiB", 1 << 30: "1GiB", 4097: "4097B", 0: "0B", 1536: "1536B", 3 << 10: "3KiB"} {
		if got := s.String(); got != want {
			t.Errorf("%d: %q, want %q", s, got, want)
		}
	}
}

// TestDigest: what agents must share changes it, what they need not does not.
func TestDigest(t *testing.T) {
	digest := func(edit ...string) string {
		t.Helper()
		c, err := Parse("c.yaml", []byte(strings.NewReplacer(edit...).Replace(least)))
		if err != nil {
			t.Fatal(err)
		}
		return c.Digest("b", "k", "v1")
	}
	base := digest()
	if len(base) != 32 {
		t.Errorf("digest %q, want 32 digits", base)
	}
	for name, same := range map[string]string{
		"timeouts":      digest("migration", "timeouts: {old: 3s}\nmigration"),
		"name":          digest("migration", "agent: {name: other}\nmigration"),
		"a default":     digest("{name: php,", "{name: php, format: bytes, lock_ttl: 30s,"),
		"file's folder": digest("flags.json", "other/flags.json"),
	} {
		if same != base {
			t.Errorf("%s changes the digest", name)
		}
	}
	if digest("{addrs:", "{tls: {ca_file: x}, addrs:") != digest("{addrs:", "{tls: {ca_file: y}, addrs:") {
		t.Error("where certificates lie changes the digest")
	}
	c, _ := Parse("c.yaml", []byte(least))
	for name, other := range map[string]string{
		"address":   digest("10.0.0.1", "10.0.0.2"),
		"kind":      digest("[a-z0-9]+", "[a-z]+"),
		"migration": digest("shop", "shop2"),
		"cluster":   digest("{addrs:", "{cluster: true, addrs:"),
		"sentinel":  digest(`addrs: ["10.0.0.1:6379"]`, `sentinel: {addrs: ["10.0.0.1:6379"], master: m}`),
		"database":  digest("{addrs:", "{database: 1, addrs:"),
		"bucketing": c.Digest("b2", "k", "v1"),
		"hash key":  c.Digest("b", "k2", "v1"),
		"version":   c.Digest("b", "k", "v2"),
	} {
		if other == base {
			t.Errorf("%s does not change the digest", name)
		}
	}
	if err := new(Config).Validate(); err == nil {
		t.Error("an empty Config is valid")
	}
}

// TestFiles: PHP's save path in its forms; the reference file's comment too.
func TestFiles(t *testing.T) {
	for _, dir := range []string{"/var/lib/php/sessions", "2;/x", "2;0660;/x"} {
		c, err := Parse("c.yaml", []byte(strings.Replace(least, "old: {memory: {}}", `old: {files: {dir: "`+dir+`", max_lifetime: 24m, owner: www-data}}`, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if f := c.Old.Files; f.Dir != dir || f.MaxLifetime.Std() != 24*time.Minute || f.Owner != "www-data" {
			t.Errorf("got %+v", f)
		}
	}
	raw, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	for i := range reflect.TypeFor[Files]().NumField() {
		if key := reflect.TypeFor[Files]().Field(i).Tag.Get("yaml"); !strings.Contains(string(raw), "#     "+key+": ") {
			t.Errorf("the reference file does not show files.%s", key)
		}
	}
}

func TestMySQL(t *testing.T) {
	with := func(keys string) string {
		return strings.Replace(least, "old: {memory: {}}", "old: {mysql: {hosts: [\"10.0.0.1:3306\"], database: app, user: app"+keys+"}}", 1)
	}
	c, err := Parse("c.yaml", []byte(with("")))
	if err != nil {
		t.Fatal(err)
	}
	if m := c.Old.MySQL; m.Table != "sessions" || m.OwnTable != "crossfade" || m.Preset != "plain" || m.Writes != "layer" || m.SyncWait != "on" {
		t.Errorf("defaults: got %+v", m)
	}
	for keys, want := range map[string]string{
		", writes: both":                           "old.mysql.writes: \"both\": accepted are layer",
		", sync_wait: maybe":                       "old.mysql.sync_wait: \"maybe\": accepted are on and off",
		", preset: laravel":                        "old.mysql.preset: \"laravel\": accepted are plain and symfony",
		", table: \"a`b\"":                         "old.mysql.table: \"a`b\": accepted are",
		", own_table: sessions":                    "old.mysql.own_table: \"sessions\" is the sessions table too",
		", tls: {cert_file: x}":                    "old.mysql.tls: a client certificate needs its key",
		", columns: {id: id, data: d, expires: e}": "old.mysql.columns.expiry: \"\": accepted are unix, unix_ms",
		", columns: {id: id, data: d, expires: e, expiry: lifetime}":            "old.mysql.columns.time: is missing",
		", preset: plain, columns: {id: id, data: d, expires: e, expiry: unix}": "old.mysql.preset: stands beside columns",
		", columns: {id: id, data: d, expires: e, expiry: unix, flag: f}":       "unknown key: accepted are id, data",
	} {
		if _, err := Parse("c.yaml", []byte(with(keys))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", keys, err, want)
		}
	}
	if _, err := Parse("c.yaml", []byte(with(", columns: {id: sid, data: d, expires: e, expiry: datetime}, writes: app"))); err != nil {
		t.Error(err)
	}
}
