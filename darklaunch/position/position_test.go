package position

import "testing"

func TestNamesAndStages(t *testing.T) {
	want := []struct {
		p           Position
		name, stage string
	}{
		{Off, "off", "off"},
		{Mirror, "mirror", "mirror"},
		{Fenced, "fenced", "mirror"},
		{ReadNew, "read-new", "read-new"},
		{Sealed, "sealed", "read-new"},
		{Cutover, "cutover", "cutover"},
		{Back, "back", "rollback"},
	}
	if len(want) != Count {
		t.Fatalf("table has %d positions, want %d", len(want), Count)
	}
	for i, w := range want {
		if got := All()[i]; got != w.p {
			t.Errorf("All()[%d] = %v, want %v", i, got, w.p)
		}
		if got := w.p.String(); got != w.name {
			t.Errorf("%d.String() = %q, want %q", w.p, got, w.name)
		}
		if got := w.p.Stage(); got != w.stage {
			t.Errorf("%v.Stage() = %q, want %q", w.p, got, w.stage)
		}
		got, err := Parse(w.name)
		if err != nil || got != w.p {
			t.Errorf("Parse(%q) = %v, %v, want %v", w.name, got, err, w.p)
		}
		text, err := w.p.MarshalText()
		var back Position
		if err != nil || back.UnmarshalText(text) != nil || back != w.p {
			t.Errorf("%v does not survive its text %q: got %v, %v", w.p, text, back, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, name := range []string{"", "Off", "read_new", "readnew", " off", "rollback", "cutover "} {
		if p, err := Parse(name); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", name, p)
		}
	}
	if _, err := Position(Count).MarshalText(); err == nil {
		t.Error("MarshalText of an eighth position gave no error")
	}
	if got, want := Position(9).String(), "position(9)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestAdjacent has the whole relation: what is not in the list is not adjacent.
func TestAdjacent(t *testing.T) {
	pairs := [][2]Position{
		{Off, Mirror}, {Mirror, Fenced}, {Fenced, ReadNew}, {ReadNew, Sealed}, {Sealed, Cutover},
		{Cutover, Back}, {Back, Sealed},
	}
	want := map[[2]Position]bool{}
	for _, p := range pairs {
		want[p] = true
		want[[2]Position{p[1], p[0]}] = true
	}
	for a := Position(0); a < Count+1; a++ {
		for b := Position(0); b < Count+1; b++ {
			if got := Adjacent(a, b); got != want[[2]Position{a, b}] {
				t.Errorf("Adjacent(%v, %v) = %v", a, b, got)
			}
			if got, want := Together(a, b), want[[2]Position{a, b}] || a == b && a < Count; got != want {
				t.Errorf("Together(%v, %v) = %v, want %v", a, b, got, want)
			}
		}
	}
}
