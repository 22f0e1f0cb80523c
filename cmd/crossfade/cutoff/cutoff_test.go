package cutoff

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/cmd/crossfade/binarytest"
	"github.com/seed-41165957/crossfade/darklaunch/epochs"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

const (
	getMemcached = "get memc.sess.key.nobody\r\n"
	getRedis     = "GET memc.sess.key.nobody\r\n"
)

// obeyed is the longest that an agent may take to obey what stands in a store on
// a busy machine: it looks each second. How long it took is logged.
const obeyed = 30 * time.Second

// TestCutOff: two agents whose flag file does not exist, from their start to
// their being left behind.
func TestCutOff(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	one, two := f.agents[0], f.agents[1]
	// No flags and no note: nobody is served.
	if code, body := one.get("/readyz"); code != http.StatusServiceUnavailable || body != "starting\n" {
		t.Errorf("readyz without flags and without a note: %d %q", code, body)
	}
	if got := one.say(one.memcached, getMemcached); !strings.HasPrefix(got, "SERVER_ERROR") {
		t.Errorf("get without flags: %q", got)
	}
	f.run("ramp", "mirror", "100")
	if got := one.say(one.memcached, getMemcached); got != "END" {
		t.Errorf("get in mirror: %q", got)
	}

	// The higher of two notes counts, whichever store has it.
	next := f.raise(nil, f.n, func(d *flags.Definition, _ *epochs.Note) { d.Epoch++ })
	for _, h := range f.agents {
		t.Logf("%s obeys what stands in one store after %v", h.name, binarytest.Within(t, obeyed, h.name+" takes the higher note", func() bool { return h.serves(next) }))
	}
	// memcached comes back empty: that says nothing, and the note stands again.
	if err := f.old.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	binarytest.Within(t, 30*time.Second, "the note stands in memcached again", func() bool {
		o, _ := epochs.ReadBoth(t.Context(), f.o, nil, migration)
		return o.Note.Epoch == next
	})
	for _, h := range f.agents {
		if !h.serves(next) {
			t.Errorf("%s went back when a store lost the note", h.name)
		}
	}

	t.Run("frozen", func(t *testing.T) { frozen(t, f, two) })
	t.Run("not in the roster", func(t *testing.T) {
		f.raise(f.o, f.n, func(d *flags.Definition, n *epochs.Note) { d.Epoch++; n.Agents = []epochs.Life{{Name: "web-1"}} })
		binarytest.Within(t, obeyed, "web-2 stops", func() bool { s, ok := two.status(); return ok && strings.Contains(s.Stopped, "does not name") })
		if s, ok := one.status(); !ok || s.Stopped != "" {
			t.Errorf("web-1 is in the roster, and stopped: %q", s.Stopped)
		}
		left(t, two)
	})
}

// frozen stops an agent's process while the fleet goes on by two positions.
func frozen(t *testing.T, f *fleet, h *host) {
	if err := h.p.Freeze(); err != nil {
		t.Fatal(err)
	}
	to := func(p position.Position) func(*flags.Definition, *epochs.Note) {
		return func(d *flags.Definition, _ *epochs.Note) {
			d.Epoch++
			d.Weights = flags.Weights{}
			d.Weights[p] = flags.Buckets
		}
	}
	for _, p := range []position.Position{position.Fenced, position.ReadNew} {
		next := f.raise(f.o, f.n, to(p))
		binarytest.Within(t, obeyed, "the other agent goes on", func() bool { return f.agents[0].serves(next) })
	}
	if err := h.p.Thaw(); err != nil {
		t.Fatal(err)
	}
	took := binarytest.Within(t, obeyed, "it stops", func() bool { s, ok := h.status(); return ok && s.Stopped != "" })
	t.Logf("it stops %v after it woke", took)
	left(t, h)
	h.stop()
	h.start()
	binarytest.Within(t, 30*time.Second, "it is ready", func() bool { code, _ := h.get("/readyz"); return code == http.StatusOK })
	if got := h.say(h.memcached, getMemcached); got != "END" {
		t.Errorf("started anew: %q", got)
	}
	if !h.serves(f.top().Epoch) {
		t.Errorf("it does not serve revision %d", f.top().Epoch)
	}
}

// left looks at an agent that the fleet has left behind.
func left(t *testing.T, h *host) {
	t.Helper()
	if got := h.say(h.memcached, getMemcached); !strings.HasPrefix(got, "SERVER_ERROR") || !strings.Contains(got, "start it anew") {
		t.Errorf("memcached: %q, want an error that says what to do", got)
	}
	if got := h.say(h.memcached, "set memc.sess.key.nobody 0 60 1\r\nx\r\n"); !strings.HasPrefix(got, "SERVER_ERROR") {
		t.Errorf("memcached set: %q", got)
	}
	if got := h.say(h.redis, getRedis); !strings.HasPrefix(got, "-ERR") || !strings.Contains(got, "start it anew") {
		t.Errorf("redis: %q, want an error that says what to do", got)
	}
	code, body := h.get("/readyz")
	if code != http.StatusServiceUnavailable || !strings.HasPrefix(body, "stopped: ") {
		t.Errorf("readyz: %d %q", code, body)
	}
}
