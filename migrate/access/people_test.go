package access

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

func TestMain(m *testing.M) {
	if bcryptCost < 12 {
		panic("passwords cost too little")
	}
	bcryptCost = bcrypt.MinCost
	os.Exit(m.Run())
}

// cheap is a password's bcrypt at the lowest cost: tests compare many.
func cheap(t testing.TB, password string) string {
	t.Helper()
	b, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func writeRoll(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// TestReadRollRefuses: what is wrong is named, and nothing secret is shown.
func TestReadRollRefuses(t *testing.T) {
	hash := cheap(t, "a long password")
	for _, tt := range []struct {
		name, text string
		mode       os.FileMode
		want       string // empty: it is read
	}{
		{"as it should be", "people:\n  - {name: ada, role: admin, password: '" + hash + "'}\n", 0o600, ""},
		{"nobody yet", "", 0o600, ""},
		{"the group may read it", "people: []\n", 0o640, "chmod 0600"},
		{"all may read it", "people: []\n", 0o604, "chmod 0600"},
		{"a role of nobody's", "people:\n  - {name: ada, role: root}\n", 0o600, "cannot be read"},
		{"no role", "people:\n  - {name: ada}\n", 0o600, "ada) has no role"},
		{"a key of nobody's", "people:\n  - {name: ada, role: admin, passwort: " + hash + "}\n", 0o600, "line 2 cannot be read"},
		{"twice", "people:\n  - {name: ada, role: admin}\n  - {name: ada, role: viewer}\n", 0o600, "twice"},
		{"a name of the server's", "people:\n  - {name: Plan, role: admin}\n", 0o600, "none of plan"},
		{"a name with a blank", "people:\n  - {name: 'a b', role: admin}\n", 0o600, "accepted are 1 to 64"},
		{"a password in clear", "people:\n  - {name: ada, role: admin, password: hunter2hunter2}\n", 0o600, "no bcrypt"},
		{"a token in clear", "people:\n  - {name: ada, role: admin, tokens: [{name: x, sha256: cfp_hunter2}]}\n", 0o600, "sha256 of a token is none"},
		{"a list where a map belongs", "- " + hash + "\n", 0o600, "cannot be read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "people.yaml")
			writeRoll(t, path, tt.text, tt.mode)
			_, err := ReadRoll(path)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if err != nil && (strings.Contains(err.Error(), hash) || strings.Contains(err.Error(), "hunter2")) {
				t.Errorf("it shows what is in the file: %v", err)
			}
		})
	}
}

// TestEditRoll: what the command line writes can be read, is 0600, and holds
// neither the password nor the token; what is refused is not written.
func TestEditRoll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "people.yaml")
	const password = "correct horse battery"
	token := ""
	if err := EditRoll(path, func(r *Roll) error {
		p := Person{Name: "ada", Role: Operator}
		if err := p.SetPassword([]byte(password)); err != nil {
			return err
		}
		token = p.NewToken("laptop", time.Now())
		return r.Add(p)
	}); err != nil {
		t.Fatal(err)
	}
	was, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if fi, _ := os.Stat(path); fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %04o, want 0600", fi.Mode().Perm())
	}
	if strings.Contains(string(was), password) || strings.Contains(string(was), token) || !strings.HasPrefix(token, tokenPrefix) {
		t.Errorf("the file shows a secret, or the token is none: %s", was)
	}
	r, err := ReadRoll(path)
	if err != nil {
		t.Fatal(err)
	}
	if p := r.Find("ada"); p == nil || p.Role != Operator || bcrypt.CompareHashAndPassword([]byte(p.Password), []byte(password)) != nil || p.Tokens[0].SHA256 != tokenSum(token) {
		t.Errorf("got %+v", r)
	}
	for name, change := range map[string]func(*Roll) error{
		"twice":   func(r *Roll) error { return r.Add(Person{Name: "ada", Role: Viewer}) },
		"refused": func(r *Roll) error { r.Remove("ada"); return fmt.Errorf("no") },
		"short":   func(r *Roll) error { return r.Find("ada").SetPassword([]byte("short")) },
		"long":    func(r *Roll) error { return r.Find("ada").SetPassword(make([]byte, 73)) },
	} {
		if EditRoll(path, change) == nil {
			t.Errorf("%s: it was written", name)
		}
		if now, _ := os.ReadFile(path); string(now) != string(was) {
			t.Errorf("%s: the file is another", name)
		}
	}
	if err := os.WriteFile(path+".new", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := EditRoll(path, func(*Roll) error { return nil }); err == nil || !strings.Contains(err.Error(), "somebody else edits") {
		t.Errorf("two at once: got %v", err)
	}
}

// TestPeopleReadAgain: a change counts within a second; a broken file changes
// nothing and is told once; so does one that others may read.
func TestPeopleReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "people.yaml")
	writeRoll(t, path, "people:\n  - {name: ada, role: viewer}\n", 0o600)
	var said []error
	p, err := OpenPeople(path, func(err error) { said = append(said, err) })
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_700_000_000, 0)
	p.clock = func() time.Time { return now }
	role := func() Role {
		now = now.Add(lookEvery)
		if x := p.now().people["ada"]; x != nil {
			return x.Role
		}
		return Unset
	}
	writeRoll(t, path, "people:\n  - {name: ada, role: operator}\n", 0o600)
	if got := role(); got != Operator {
		t.Fatalf("after a change: %v, want operator", got)
	}
	for _, broken := range []struct {
		text string
		mode os.FileMode
	}{{"people: [", 0o600}, {"people:\n  - {name: ada, role: admin}\n", 0o644}} {
		said = nil
		writeRoll(t, path, broken.text, broken.mode)
		for range 3 {
			if got := role(); got != Operator {
				t.Fatalf("after %q, mode %o: %v, want operator as before", broken.text, broken.mode, got)
			}
		}
		if len(said) != 1 {
			t.Errorf("after %q it was told %d times, want once: %v", broken.text, len(said), said)
		}
	}
	os.Remove(path)
	if got := role(); got != Operator {
		t.Errorf("without the file: %v, want operator as before", got)
	}
	writeRoll(t, path, "people: []\n", 0o600)
	if got := role(); got != Unset {
		t.Errorf("put right: %v, want nobody", got)
	}
}
