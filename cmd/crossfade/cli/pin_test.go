package cli

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
)

// TestPin: a session is named on standard input or by its hash, and its id is
// shown nowhere.
func TestPin(t *testing.T) {
	h := newHost(t)
	hasher, err := flags.LoadKey(filepath.Join(filepath.Dir(h.config), "hash.key"))
	if err != nil {
		t.Fatal(err)
	}
	hash := hasher.SumString(id).String()
	for _, tt := range []struct {
		stdin, args string
		code        int
		want        string // in either output
	}{
		{"", "ramp mirror 100", Done, "mirror 100 %"},
		{id + "\n", "pin - --at off --dry-run", Done, "session " + hash + " from mirror to off"},
		{"memc.sess.key." + id, "pin - --at off --reason why", Done, "mirror 100 %; 1 pinned"},
		{"", "status", Done, "pinned: session " + hash + " at off"},
		{hash, "explain -", Done, "it is pinned there"},
		{"", "pin --hash " + hash + " --at fenced", Done, "1 pinned"},
		{"", "pin --hash " + hash + " --at read-new", Refused, "gate verified"},
		{"", "pin --hash " + hash + " --at cutover", Usage, "accepted are off, mirror, fenced and read-new: sealing, cutover and the reverse copy are made for cohorts"},
		{"", "pin --hash " + id + " --at off", Usage, "--hash: accepted are 32"},
		{id, "pin " + id + " --at off", Usage, "accepted is crossfade pin -"},
		{id, "pin - --hash " + hash + " --at off", Usage, "accepted is crossfade pin -"},
		{"no session!", "pin - --at off", Usage, "no kind of sessions"},
		{"", "pin - --at off", Usage, "nothing on standard input"},
		{hash, "unpin -", Done, "mirror 100 %\n"},
		{id, "unpin -", Done, "nothing to do"},
	} {
		code, out, errOut := h.run(tt.stdin, strings.Fields(tt.args)...)
		if code != tt.code || !strings.Contains(out+errOut, tt.want) {
			t.Errorf("%s: code %d\n%s%s\nwant %d and %q", tt.args, code, out, errOut, tt.code, tt.want)
		}
		if strings.Contains(out+errOut, id) {
			t.Errorf("%s shows the id: %s%s", tt.args, out, errOut)
		}
	}
	if _, out, _ := h.run("", "audit"); strings.Contains(out, id) || !strings.Contains(out, `unpin {"hash":"`+hash) {
		t.Errorf("the log says %s", out)
	}
}
