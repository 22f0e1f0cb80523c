package ledger

import "testing"

func TestVerdicts(t *testing.T) {
	type step func(*Session) error
	write := func(v string) step {
		return func(s *Session) error { s.Write(v).Acknowledged(); return nil }
	}
	fail := func(v string) step { return func(s *Session) error { s.Write(v).Failed(); return nil } }
	del := func(s *Session) error { s.Delete().Acknowledged(); return nil }
	found := func(v string) step { return func(s *Session) error { return s.Read().Found(v) } }
	missing := func(s *Session) error { return s.Read().Missing() }
	for _, c := range []struct {
		name                  string
		steps                 []step
		logouts, lost, undead int64
	}{
		{"kept", []step{write("a"), found("a")}, 0, 0, 0},
		{"missing at first", []step{missing}, 0, 0, 0},
		{"logout", []step{write("a"), missing}, 1, 0, 0},
		{"lost write", []step{write("a"), write("b"), found("a")}, 0, 1, 0},
		{"never written", []step{write("a"), found("x")}, 0, 1, 0},
		{"deleted", []step{write("a"), del, missing}, 0, 0, 0},
		{"resurrected", []step{write("a"), del, found("a")}, 0, 0, 1},
		{"written again", []step{write("a"), del, write("b"), found("b")}, 0, 0, 0},
		{"logout after a new login", []step{write("a"), del, write("b"), missing}, 1, 0, 0},
		{"an error may have taken effect", []step{write("a"), fail("b"), found("b"), found("a")}, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l Ledger
			s := l.Session("x")
			for _, st := range c.steps {
				st(s)
			}
			if g := [3]int64{l.Logouts.Load(), l.LostWrites.Load(), l.Resurrected.Load()}; g != [3]int64{c.logouts, c.lost, c.undead} {
				t.Errorf("got logouts, lost, resurrected %v, want %v", g, [3]int64{c.logouts, c.lost, c.undead})
			}
		})
	}
}

// TestOverlap: of two writes that overlap either may win, and a read that
// overlaps a write may give either.
func TestOverlap(t *testing.T) {
	var l Ledger
	s := l.Session("x")
	s.Write("a").Acknowledged()
	b, c := s.Write("b"), s.Write("c")
	early := s.Read()
	b.Acknowledged()
	c.Acknowledged()
	for _, err := range []error{early.Found("a"), s.Read().Found("b"), s.Read().Found("c")} {
		if err != nil {
			t.Error(err)
		}
	}
	if s.Read().Found("a") == nil {
		t.Error("a read that began after both gave what was before them")
	}
}
