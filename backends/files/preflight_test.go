package files

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPreflight plants one fault after the other, and looks for the row that
// finds it and for what mends it.
func TestPreflight(t *testing.T) {
	find := func(t *testing.T, o Options, name string) Finding {
		t.Helper()
		if o.MaxLifetime == 0 {
			o.MaxLifetime = 24 * time.Minute
		}
		o.Migration = "test"
		for _, f := range Preflight(t.Context(), o) {
			if f.Name == name {
				return f
			}
		}
		t.Fatalf("no row %q", name)
		return Finding{}
	}
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "sess_a"), nil, 0o600))
	me := userName(os.Geteuid())
	for _, name := range []string{"folder", "listing", "owner", "levels", "cleaner"} {
		if f := find(t, Options{SavePath: dir, Owner: me}, name); !f.OK || f.Found == "" || f.Want == "" {
			t.Errorf("a good folder: %+v", f)
		}
	}
	notDir := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(notDir, nil, 0o600))
	type test struct {
		name       string
		o          Options
		row        string
		found, how string
	}
	tests := []test{
		{"no folder", Options{SavePath: dir + "/none"}, "folder", "no such file", "mod_files.sh"},
		{"no folder but a file", Options{SavePath: notDir}, "folder", "not a directory", "are folders"},
		{"no save path", Options{SavePath: "x"}, "folder", "absolute", "files.dir"},
		{"no lifetime", Options{SavePath: dir, MaxLifetime: time.Millisecond}, "folder", "gc_maxlifetime", "files.max_lifetime"},
		{"no such user", Options{SavePath: dir, Owner: "no-such-user"}, "folder", "no such user", "files.owner"},
		{"no levels", Options{SavePath: "1;" + dir, Owner: me}, "levels", "missing", "mod_files.sh " + dir + " 1"},
		{"nobody cleans levels", Options{SavePath: "1;" + dir, Owner: me}, "cleaner", "nobody", "find " + dir + " -name 'sess_*'"},
	}
	if os.Geteuid() == 0 {
		theirs := t.TempDir()
		must(t, os.WriteFile(filepath.Join(theirs, "sess_a"), nil, 0o600))
		must(t, os.Chown(filepath.Join(theirs, "sess_a"), 65534, 65534))
		tests = append(tests,
			test{"another's files", Options{SavePath: theirs, Owner: me}, "owner", "PHP's own to nobody", "owner: nobody"},
			test{"root's folder", Options{SavePath: dir}, "owner", "could not open", "owner: www-data"})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := find(t, tt.o, tt.row)
			if f.OK || !strings.Contains(f.Found, tt.found) || !strings.Contains(f.Mend, tt.how) {
				t.Errorf("got %+v, want found %q, mend %q", f, tt.found, tt.how)
			}
			if strings.Contains(f.Found+f.Mend, "sess_a") {
				t.Errorf("the finding names a session: %+v", f)
			}
		})
	}
}

func TestSavePath(t *testing.T) {
	for text, want := range map[string]savePath{
		"/a":         {"/a", 0, 0o600},
		"/a/":        {"/a", 0, 0o600},
		"0;/a":       {"/a", 0, 0o600},
		"2;/a":       {"/a", 2, 0o600},
		"2;0660;/a":  {"/a", 2, 0o660},
		"1;600;/a;b": {"/a;b", 1, 0o600},
	} {
		if got, err := parseSavePath(text); err != nil || got != want {
			t.Errorf("%q: got %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "a", "x;/a", "-1;/a", "9;/a", "2;0400;/a", "2;9;/a", "2;", "1;07777;/a", ";/a"} {
		if err := CheckSavePath(text); err == nil {
			t.Errorf("%q: accepted", text)
		}
	}
}
