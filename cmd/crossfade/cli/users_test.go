package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/migrate/access"
)

// TestUsers: people come and go; a password is read from standard input, and
// neither it nor a token is shown again.
func TestUsers(t *testing.T) {
	dir := t.TempDir()
	people, conf := filepath.Join(dir, "people.yaml"), filepath.Join(dir, "crossfade.yaml")
	text := `
migration: m
sessions:
  - {name: php, keys: ["memc.sess.key.{id: [a-z0-9]+}"]}
old: {memory: {}}
new: {memory: {}}
flags: {server: ["127.0.0.1:9310"]}
server: {token_file: fleet.token, users_file: %q}
`
	if err := os.WriteFile(conf, fmt.Appendf(nil, text, people), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(stdin string, args ...string) (code int, out, errOut string) {
		var o, e bytes.Buffer
		code = Run(context.Background(), append(args, "--config", conf), strings.NewReader(stdin), &o, &e)
		return code, o.String(), e.String()
	}
	const password = "correct horse battery"
	for _, tt := range []struct {
		stdin, args string
		code        int
		want        string // in either output
	}{
		{password + "\n", "users add ada --role operator", Done, "ada is operator"},
		{"", "users add ci --role viewer --no-password", Done, "ci is viewer"},
		{password, "users add ada --role admin", Failed, "twice"},
		{password, "users add eve", Usage, "accepted are viewer, operator and admin"},
		{password, "users add plan --role admin", Failed, "none of plan"},
		{"short\n", "users add eve --role admin", Failed, "12 to 72"},
		{"", "users add eve --role admin", Usage, "nothing on standard input"},
		{"", "users role ada admin", Done, "ada is admin"},
		{"", "users role ada root", Usage, "accepted are"},
		{"short", "users password ada", Failed, "12 to 72"},
		{"another " + password, "users password eve", Failed, `nobody is called "eve"`},
		{"", "users token ada --name laptop", Done, "cfp_"},
		{"", "users token ada --name laptop", Usage, "name it otherwise"},
		{"", "users list", Done, "token laptop"},
		{"", "users list --json", Done, `"password": true`},
		{"", "users token ada --revoke laptop", Done, "counts no more"},
		{"", "users token ada --revoke laptop", Failed, "has no token"},
		{"", "users remove ci", Done, "ci is gone"},
		{"", "users remove ci", Failed, "nobody is called"},
	} {
		code, out, errOut := run(tt.stdin, strings.Fields(tt.args)...)
		if code != tt.code || !strings.Contains(out+errOut, tt.want) {
			t.Errorf("%s: code %d\n%s%s\nwant %d and %q", tt.args, code, out, errOut, tt.code, tt.want)
		}
		if strings.Contains(out+errOut, password) || strings.Contains(out, "$2a$") {
			t.Errorf("%s shows a password: %s%s", tt.args, out, errOut)
		}
	}
	r, err := access.ReadRoll(people)
	if err != nil || len(r.People) != 1 || r.People[0].Role != access.Admin || len(r.People[0].Tokens) != 0 {
		t.Errorf("the file has %+v (%v)", r, err)
	}
	code, out, _ := run("", "users", "token", "ada", "--json")
	var said map[string]string
	if json.Unmarshal([]byte(out), &said); code != Done || len(said["token"]) != 68 {
		t.Errorf("got %d %s", code, out)
	}
	if data, _ := os.ReadFile(people); bytes.Contains(data, []byte(said["token"])) || bytes.Contains(data, []byte(password)) {
		t.Error("the file shows a secret")
	}
}
