package redis_test

import (
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/redis"
)

const (
	noauth = "-NOAUTH Authentication required.\r\n"
	wrong  = "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
)

var passwords = []struct{ name, in, want string }{
	{"none given", lines("GET s.a", "PING", "SET s.a v", "CLIENT ID", "INFO"), strings.Repeat(noauth, 5)},
	{"arity comes first", lines("GET", "AUTH"), arity("get", "auth")},
	{"right", lines("AUTH secret", "GET s.a"), ok + null},
	{"right, with a user", lines("AUTH default secret", "GET s.a"), ok + null},
	{"wrong", lines("AUTH x", "AUTH secre", "AUTH secrets", "AUTH other secret", "GET s.a"), wrong + wrong + wrong + wrong + noauth},
	{"wrong after right", lines("AUTH secret", "AUTH x", "GET s.a"), ok + wrong + null},
	{"hello", lines("HELLO 2", "HELLO 2 AUTH default x", "HELLO 2 AUTH default secret", "GET s.a"),
		"-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time\r\n" + wrong + hello2 + null},
	{"hello 3", lines("HELLO 3", "HELLO 3 AUTH default x", "GET s.a", "HELLO 3 AUTH default secret SETNAME y", "GET s.a", "CLIENT GETNAME"),
		"-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time\r\n" + wrong + noauth + hello3 + "_\r\n" + str("y")},
	{"a transaction of nobody", lines("MULTI", "EXEC", "CLIENT SETNAME x", "AUTH secret", "EXEC"), noauth + "-EXECABORT Transaction discarded because of: NOAUTH Authentication required.\r\n" + noauth + ok + "-ERR EXEC without MULTI\r\n"},
	{"reset", lines("AUTH secret", "RESET", "GET s.a"), ok + "+RESET\r\n" + noauth},
	{"quit", lines("QUIT"), ok},
	{"many arguments", "*11\r\n", broken("unauthenticated multibulk length")},
	{"large argument", "*2\r\n$4\r\nAUTH\r\n$16385\r\n", broken("unauthenticated bulk length")},
}

func TestPassword(t *testing.T) {
	s, err := localserver.Redis(t.Context(), localserver.Options{Args: []string{"--requirepass", "secret"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	for _, tt := range passwords {
		t.Run(tt.name, func(t *testing.T) {
			srv := redis.New(frontendtest.New(t, web), redis.Options{Password: "secret"})
			if got := sameID(frontendtest.Play(t, srv, tt.in)); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			if got := sameID(frontendtest.Ask(t, s.Addr(), tt.in)); got != tt.want {
				t.Errorf("redis-server: got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

// TestUser is a password that goes with a name.
func TestUser(t *testing.T) {
	srv := redis.New(frontendtest.New(t, web), redis.Options{Password: "secret", User: "web"})
	got := frontendtest.Play(t, srv, lines("AUTH default secret", "AUTH web secret", "RESET", "AUTH secret", "GET s.a"))
	if want := wrong + ok + "+RESET\r\n" + ok + null; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
