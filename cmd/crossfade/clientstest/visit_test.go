package clientstest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
)

const (
	connections = 20
	clicksEach  = 5 // 100 in all
)

// visit is what each client does at each position.
func visit(t *testing.T, c client, s script, at string) {
	t.Helper()
	all(t, func(conn int) error { return alone(s, conn, fmt.Sprintf("%s-%s-%d", c.name, at, conn)) })
	if c.keeps != unlocked && !t.Failed() {
		together(t, s, at, cmp.Or(c.shared, clicksEach))
	}
}

// all does f from all connections at once.
func all(t *testing.T, f func(conn int) error) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, connections)
	for i := range errs {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			t.Errorf("connection %d: %v", i, err)
		}
	}
}

// alone is one session from login to logout.
func alone(s script, conn int, user string) error {
	in, err := s.ask(conn, question{Op: "login", User: user})
	if err == nil && in.ID == "" {
		err = errors.New("no id")
	}
	if err != nil {
		return fmt.Errorf("login: %w", err)
	}
	see := func(what, op, id string, n int) (answer, error) {
		a, err := s.ask(conn, question{Op: op, ID: id})
		if err == nil {
			err = a.is(user, n)
		}
		if err != nil {
			return a, fmt.Errorf("%s: %w", what, err)
		}
		return a, nil
	}
	gone := func(what, id string) error {
		a, err := s.ask(conn, question{Op: "look", ID: id})
		if err == nil && !a.Missing {
			err = fmt.Errorf("%s is logged in with %d", a.User, a.N)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	}
	for n := range clicksEach {
		if _, err := see("click", "click", in.ID, n+1); err != nil {
			return err
		}
	}
	if _, err := see("look", "look", in.ID, clicksEach); err != nil {
		return err
	}
	now, err := see("renew", "renew", in.ID, clicksEach)
	if err != nil {
		return err
	}
	if now.ID == "" || now.ID == in.ID {
		return errors.New("renew: no new id")
	}
	if err := gone("the old id", in.ID); err != nil {
		return err
	}
	if _, err := see("click after renew", "click", now.ID, clicksEach+1); err != nil {
		return err
	}
	if _, err := see("logout", "logout", now.ID, clicksEach+1); err != nil {
		return err
	}
	return gone("after logout", now.ID)
}

// together has all connections count one session up: each count is seen once,
// and none is lost. First one of them holds it for a while.
func together(t *testing.T, s script, at string, each int) {
	t.Helper()
	user := "all-" + at
	in, err := s.ask(0, question{Op: "login", User: user})
	if err != nil {
		t.Errorf("login: %v", err)
		return
	}
	var mu sync.Mutex
	var seen []int
	all(t, func(conn int) error {
		for i := range each {
			q := question{Op: "click", ID: in.ID}
			if conn == 0 && i == 0 {
				q.Hold = 200
			}
			a, err := s.ask(conn, q)
			if err != nil {
				return fmt.Errorf("click %d: %w", i, err)
			}
			mu.Lock()
			seen = append(seen, a.N)
			mu.Unlock()
		}
		return nil
	})
	slices.Sort(seen)
	for i, n := range seen {
		if n != i+1 {
			t.Errorf("of %d clicks at once count %d came up as %d: an increment was lost", connections*each, i+1, n)
			break
		}
	}
	a, err := s.ask(0, question{Op: "logout", ID: in.ID})
	if err == nil {
		err = a.is(user, connections*each)
	}
	if err != nil {
		t.Errorf("logout: %v", err)
	}
}

// traveller is logged in before the migration begins, and clicks at each position.
type traveller struct {
	user, id string
	n        int
}

func depart(t *testing.T, c client, s script) []traveller {
	t.Helper()
	us := make([]traveller, connections)
	all(t, func(conn int) error {
		u := &us[conn]
		u.user = fmt.Sprintf("%s-%d", c.name, conn)
		a, err := s.ask(conn, question{Op: "login", User: u.user})
		u.id = a.ID
		return err
	})
	return us
}

func travel(t *testing.T, s script, us []traveller) {
	t.Helper()
	all(t, func(conn int) error {
		u := &us[conn]
		a, err := s.ask(conn, question{Op: "click", ID: u.id})
		if err == nil {
			u.n++
			err = a.is(u.user, u.n)
		}
		if err != nil {
			return fmt.Errorf("logged in before the migration: %w", err)
		}
		return nil
	})
}
