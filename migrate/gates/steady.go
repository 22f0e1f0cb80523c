package gates

// How many looks in a row it takes. A fail that one look shows may be a moment's;
// two are a second. To go on is not urgent.
const (
	FailLooks = 2
	PassLooks = 4
)

// Steady remembers for how many looks each gate has said the same. Its zero
// value has seen nothing. One goroutine uses it.
type Steady struct {
	fails  map[string]int
	passes int
}

// Look notes one judgement.
func (s *Steady) Look(vs []Verdict) {
	was := s.fails
	s.fails = map[string]int{}
	all := len(vs) > 0
	for _, v := range vs {
		if v.State == Fail {
			s.fails[v.Gate] = was[v.Gate] + 1
		}
		all = all && v.State == Pass
	}
	if s.passes++; !all {
		s.passes = 0
	}
}

// Failed are the alarms that have failed for long enough.
func (s *Steady) Failed(vs []Verdict) (failed []Verdict) {
	for _, v := range vs {
		if IsAlarm(v.Gate) && s.fails[v.Gate] >= FailLooks {
			failed = append(failed, v)
		}
	}
	return failed
}

// Passed tells whether every gate has passed for long enough.
func (s *Steady) Passed() bool { return s.passes >= PassLooks }

// Reset forgets all looks: another step stands.
func (s *Steady) Reset() { *s = Steady{} }
