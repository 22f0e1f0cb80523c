package darklaunch_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// TestAllDirtyIsNotClean: a life that could not remember what is dirty, in either
// store, does not end cleanly: the next one would know nothing of it.
func TestAllDirtyIsNotClean(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		r := newRig(t, 1, position.Back, func(o *darklaunch.Options) { o.StateDir, o.DirtyMax = dir, 1 })
		d := r.layers[0].Door("library")
		r.faults[0].set(func(memory.Call) memory.Fault { return memory.Fault{Kind: memory.NotApplied} })
		for _, id := range []string{"a", "b", "c"} {
			must(t, d.Set(bg, ref(id), hourly("1")))
		}
		r.faults[0].set(nil)
		r.layers[0].CopyBackDirty(bg)
		if s := r.layers[0].Status(); s.DirtyOld != 0 || !s.AllDirtyOld {
			t.Fatalf("dirty %d, all %v", s.DirtyOld, s.AllDirtyOld)
		}
		r.stop()
		data, err := os.ReadFile(filepath.Join(dir, "start.json"))
		if err != nil {
			t.Fatal(err)
		}
		var life struct{ Clean bool }
		if err := json.Unmarshal(data, &life); err != nil || life.Clean {
			t.Errorf("a clean end, with all dirty in old: %s %v", data, err)
		}
	})
}
