package migrate

import (
	"errors"
	"fmt"
	"time"
)

// What somebody may wish of a running job.
const (
	WishHold    = "hold"    // stand still, and keep everybody else from copying
	WishRelease = "release" // go on
	WishCancel  = "cancel"  // end, and begin anew the next time
)

// ErrCancelled is what a job ends with that was cancelled by a wish.
var ErrCancelled = errors.New("migrate: cancelled: what was copied stays; the next run begins anew")

// wish is a page of its own, since the job writes the other.
type wish struct {
	Wish string    `json:"wish"`
	At   time.Time `json:"at"`
}

// Wish asks something of a running job, which obeys within a second. It is
// refused where none is running.
func (m *Migration) Wish(name, what string) error {
	if _, err := m.wished(name, what); err != nil {
		return err
	}
	return m.saveWish(name, wish{what, time.Now().UTC()})
}

// wished is the job of which something may be asked now.
func (m *Migration) wished(name, what string) (s JobState, err error) {
	s, found, err := m.JobState(name)
	switch {
	case err != nil:
		return s, err
	case what != WishHold && what != WishRelease && what != WishCancel:
		return s, fmt.Errorf("migrate: no wish %q: accepted are %s, %s and %s", what, WishHold, WishRelease, WishCancel)
	case !found || !s.Live():
		return s, refuse(GateCopier, "run crossfade "+name, "no %s is running", name)
	}
	return s, nil
}

// PlanWish says what Wish would do, and does nothing.
func (m *Migration) PlanWish(name, what string) (Plan, error) {
	s, no := m.wished(name, what)
	p, err := m.standing()
	if err != nil {
		return p, err
	}
	if no != nil {
		return m.refusable(p, no)
	}
	at := ""
	if g := s.Progress; g.Total > 0 {
		at = fmt.Sprintf(", at %d of %d", g.Done, g.Total)
	}
	switch {
	case what == WishHold && s.Held:
		p.Text, p.Back = "nothing: the "+name+" stands still already"+at, []string{"crossfade " + name + " release"}
	case what == WishHold:
		p.Text = "the " + name + " stands still within a second" + at + ", and keeps everybody else from copying until it goes on or is cancelled"
		p.Back = []string{"crossfade " + name + " release: it goes on where it is; what it has done is not done again"}
	case what == WishRelease && !s.Held:
		p.Text, p.Back = "nothing: the "+name+" goes on already"+at, []string{"crossfade " + name + " hold"}
	case what == WishRelease:
		p.Text, p.Back = "the "+name+" goes on within a second"+at, []string{"crossfade " + name + " hold: it stands still again"}
	default:
		p.Text = "the " + name + " ends within a second" + at + "; what it has copied stays, and others may copy"
		p.Back = []string{fmt.Sprintf("crossfade %s begins anew: the %v that this run has taken are lost", name, time.Since(s.Began).Round(time.Second))}
	}
	return p, nil
}
