package setup

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
)

// TestClients: for each client a file that loads and knows what that client
// was seen to say.
func TestClients(t *testing.T) {
	php, long := "q9pr2r6v3vsl9c1n2v3hm1b7gd", strings.Repeat("ab", 16)
	seen := map[string][]string{ // a session, its lock
		"php-memcached":     {"memc.sess.key." + php, "memc.sess.key.lock." + php},
		"php-memcache":      {php, php + ".lock"},
		"phpredis":          {"PHPREDIS_SESSION:" + php, "PHPREDIS_SESSION:" + php + "_LOCK"},
		"php-files":         {"PHPREDIS_SESSION:" + php, "PHPREDIS_SESSION:" + php + "_LOCK"},
		"symfony-redis":     {"sf_s" + php},
		"symfony-memcached": {"sf2s" + php},
		"connect-redis":     {"sess:Xk3_9-fZq0aVb1cW2dE3fG4hI5jK6lM7"},
		"connect-memcached": {"Xk3_9-fZq0aVb1cW2dE3fG4hI5jK6lM7"},
		"django-memcached":  {":1:django.contrib.sessions.cache" + long},
		"django-redis":      {":1:django.contrib.sessions.cache" + long},
		"redis-rack":        {"rack:session:2::" + long + long},
	}
	for _, c := range Clients {
		old := map[string]string{"memcached": "memcached:127.0.0.1:11211", "redis": "redis:127.0.0.1:6379", "files": "files:" + t.TempDir()}[c.Speaks]
		for _, store := range []string{"redis:127.0.0.1:6380", "redis-cluster:10.0.0.1:6379,10.0.0.2:6379", "redis-sentinel:main@10.0.0.1:26379"} {
			text, err := Render(Answers{Migration: "sessions", Client: c.Name, Old: old, New: store, NewPasswordFile: "/etc/crossfade/new.secret",
				MaxAge: "48h", Lifetime: "1440", Agents: []string{"127.0.0.1:9311"}, StateDir: "state"})
			if err != nil {
				t.Errorf("%s to %s: %v", c.Name, store, err)
				continue
			}
			cfg, err := config.Parse("c.yaml", text)
			if err != nil {
				t.Fatal(err)
			}
			set, err := kinds.Compile(cfg.Kinds())
			if err != nil {
				t.Fatal(err)
			}
			for i, name := range seen[c.Name] {
				if r, ok := set.Resolve([]byte(name)); !ok || r.Lock != (i == 1) {
					t.Errorf("%s: %q is of no kind, or lock %v", c.Name, name, r.Lock)
				}
			}
			if !cfg.New.Redis.PasswordFile.Set() || len(cfg.Listen.Memcached)+len(cfg.Listen.Redis) == 0 {
				t.Errorf("%s: %s", c.Name, text)
			}
		}
		if len(seen[c.Name]) == 0 {
			t.Errorf("%s: nothing was seen of it", c.Name)
		}
	}
}

// TestClientsPassword: whose clients give their Redis a password give it to the
// agent.
func TestClientsPassword(t *testing.T) {
	text, err := Render(Answers{Migration: "s", Client: "phpredis", Old: "redis:127.0.0.1:1", OldPasswordFile: "/etc/crossfade/old.secret", New: "redis:127.0.0.1:2",
		MaxAge: "1h", Agents: []string{"127.0.0.1:3"}, StateDir: "state"})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := config.Parse("c.yaml", text); err != nil || c.Listen.RedisPasswordFile.Path() != "/etc/crossfade/old.secret" {
		t.Errorf("%v in %s", err, text)
	}
}

func TestRenderRefuses(t *testing.T) {
	good := Answers{Migration: "s", Client: "php-memcached", Old: "memcached:127.0.0.1:1", New: "redis:127.0.0.1:2", MaxAge: "1h", Agents: []string{"127.0.0.1:3"}, StateDir: "state"}
	if _, err := Render(good); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Answers){
		"--client":  func(a *Answers) { a.Client = "php" },
		"--old":     func(a *Answers) { a.Old = "127.0.0.1:1" },
		"--new":     func(a *Answers) { a.New = "oracle:x" },
		"php-files": func(a *Answers) { a.Client = "php-files" },
		"migration": func(a *Answers) { a.Migration = "Über" },
		"\"long\"":  func(a *Answers) { a.MaxAge = "long" },
		"password":  func(a *Answers) { a.OldPasswordFile = "x" },
		"servers":   func(a *Answers) { a.Old = "memcached:here" },
	} {
		a := good
		change(&a)
		if _, err := Render(a); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s named", err, want)
		}
	}
}

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "crossfade.yaml")
	if err := Write(path, []byte("a")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := Write(path, []byte("b")); err == nil || !strings.Contains(err.Error(), "not overwritten") {
		t.Errorf("twice: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "a" {
		t.Errorf("it was overwritten: %q", b)
	}
}

// TestLook asks real servers, a greeting as MySQL sends it, and a program that
// answers as php -i does.
func TestLook(t *testing.T) {
	mc, err := localserver.Memcached(t.Context(), localserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer mc.Stop()
	open, err := localserver.Redis(t.Context(), localserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer open.Stop()
	shut := listenOnce(t, "-NOAUTH Authentication required.\r\n")
	sentinel := listenOnce(t, "*1\r\n*4\r\n$4\r\nname\r\n$4\r\nmain\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n")
	mysql := listenOnce(t, "\x4a\x00\x00\x00\x0a8.0.36\x00rest")
	dir := t.TempDir()
	php := filepath.Join(dir, "php")
	if err := os.WriteFile(php, []byte("#!/bin/sh\necho 'session.save_handler => files => files'\necho 'session.save_path => /var/lib/php/sessions => /var/lib/php/sessions'\necho 'session.gc_maxlifetime => 1440 => 1440'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	none := listenOnce(t, "")
	f := Look(t.Context(), Places{Memcached: mc.Addr(), Redis: open.Addr(), Sentinel: none, MySQL: mysql, PHP: php})
	if f.Memcached != "memcached:"+mc.Addr() || f.Redis != "redis:"+open.Addr() || f.MySQL != "8.0.36" || f.Client != "php-files" || f.Files != "/var/lib/php/sessions" || f.Lifetime != "1440" {
		t.Errorf("found %+v", f)
	}
	f = Look(t.Context(), Places{Memcached: none, Redis: shut, Sentinel: sentinel, MySQL: none, PHP: filepath.Join(dir, "none")})
	if f.Memcached != "" || f.Redis != "redis-sentinel:main@"+sentinel || f.Client != "" || len(f.Notes) != 1 || !strings.Contains(f.Notes[0], "password") {
		t.Errorf("found %+v", f)
	}
}

// listenOnce is an address at which every client gets one answer.
func listenOnce(t *testing.T, answer string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, answer)
			c.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}
