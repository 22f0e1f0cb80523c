package rules

import "testing"

func TestTakesNote(t *testing.T) {
	for _, c := range []struct {
		name       string
		own        uint64
		note       Note
		obey, stop bool
	}{
		{"none", 5, Note{}, false, false},
		{"its own", 5, Note{Epoch: 5, Listed: true}, false, false},
		{"lower", 5, Note{Epoch: 4, Listed: true}, false, false},
		{"lower, before it was listed", 5, Note{Epoch: 4}, false, false},
		{"the next", 5, Note{Epoch: 6, Listed: true}, true, false},
		{"the next, which forgets it", 5, Note{Epoch: 6}, false, true},
		{"two ahead", 5, Note{Epoch: 7, Listed: true}, false, true},
	} {
		if obey, stop := TakesNote(c.own, c.note); obey != c.obey || stop != c.stop {
			t.Errorf("%s: obey %v, stop %v, want %v, %v", c.name, obey, stop, c.obey, c.stop)
		}
	}
}

func TestStartsFrom(t *testing.T) {
	for _, c := range []struct {
		name  string
		kept  uint64
		notes []Note
		epoch uint64
		ok    bool
	}{
		{"nothing is known", 0, []Note{{}, {}}, 0, true},
		{"what it kept", 5, []Note{{}, {Epoch: 4, Listed: true}}, 5, true},
		{"far ahead: it served nothing meanwhile", 5, []Note{{Epoch: 9, Listed: true}, {}}, 9, true},
		{"the higher of two", 5, []Note{{Epoch: 6, Listed: true}, {Epoch: 7}}, 7, false},
		{"forgotten in the revision that it kept", 5, []Note{{Epoch: 5}}, 5, false},
	} {
		if epoch, ok := StartsFrom(c.kept, c.notes...); epoch != c.epoch || ok != c.ok {
			t.Errorf("%s: %d, %v, want %d, %v", c.name, epoch, ok, c.epoch, c.ok)
		}
	}
}

func TestMayFollow(t *testing.T) {
	acked, late := Member{Acked: 5}, Member{Acked: 4}
	for _, c := range []struct {
		name  string
		still bool
		fleet []Member
		want  bool
	}{
		{"all", false, []Member{acked, acked}, true},
		{"one is behind", false, []Member{acked, late}, false},
		{"a lapse releases nothing", false, []Member{acked, {Acked: 4, Silent: true}}, false},
		{"silent, but by its note", false, []Member{acked, {Acked: 5, Silent: true}}, true},
		{"forgotten, and may serve", false, []Member{acked, {Forgotten: true}}, false},
		{"forgotten, and must have stopped", false, []Member{acked, {Forgotten: true, Ended: true}}, true},
		{"what forgets it does not wait for it", true, []Member{acked, {Forgotten: true}}, true},
		{"but for the others", true, []Member{late, {Forgotten: true}}, false},
	} {
		if got := MayFollow(5, c.still, c.fleet); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestPublicationOrder(t *testing.T) {
	want := []Publication{Intended, NotedOld, NotedNew, Recorded, Pushed, NotBegun}
	p := NotBegun
	for _, w := range want {
		if p = p.Next(); p != w {
			t.Fatalf("got %d, want %d", p, w)
		}
	}
}
