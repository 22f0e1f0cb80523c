package access

import (
	"crypto/sha256"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// Tries that cost nothing: people mistype, and many share one address. Past
	// them each further failure doubles the wait.
	freeByName, freeByAddress = 5, 20
	waitMost                  = 5 * time.Minute
	forgetAfter               = 15 * time.Minute // since the last failure
	// tableMost bounds each table, some 400 KB. Past it the entry with the fewest
	// failures goes: a flood of names that fail once wipes out nobody's count.
	tableMost = 4096
)

// throttle makes wrong passwords cost time.
type throttle struct {
	clock func() time.Time

	mu     sync.Mutex // guards the tables
	names  map[sum]*failures
	places map[string]*failures
}

type failures struct {
	n     int
	last  time.Time
	until time.Time // before it no try is looked at
}

func newThrottle(clock func() time.Time) *throttle {
	return &throttle{clock: clock, names: map[sum]*failures{}, places: map[string]*failures{}}
}

// wait is how long a try has to wait; 0: it may be looked at.
func (t *throttle) wait(name, addr string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock()
	left := time.Duration(0)
	for _, f := range []*failures{t.names[nameKey(name)], t.places[place(addr)]} {
		if f != nil {
			left = max(left, f.until.Sub(now))
		}
	}
	return left
}

// failed notes a wrong password. Names that are not known count, too: else the
// wait would tell which are.
func (t *throttle) failed(name, addr string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock()
	note(t.names, nameKey(name), freeByName, now)
	note(t.places, place(addr), freeByAddress, now)
}

// passed forgets what failed under that name. What failed from the address
// stays: one who may sign in could try others' passwords between.
func (t *throttle) passed(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.names, nameKey(name))
}

func note[K comparable](by map[K]*failures, k K, free int, now time.Time) {
	f := by[k]
	if f != nil && now.Sub(f.last) >= forgetAfter {
		f = nil
	}
	if f == nil {
		if len(by) >= tableMost && by[k] == nil {
			evict(by, now)
		}
		f = &failures{}
		by[k] = f
	}
	f.n++
	f.last = now
	if over := f.n - free; over >= 0 {
		f.until = now.Add(min(time.Second<<min(over, 20), waitMost))
	}
}

func evict[K comparable](by map[K]*failures, now time.Time) {
	var least K
	var at *failures
	for k, f := range by {
		if now.Sub(f.last) >= forgetAfter {
			delete(by, k)
		} else if at == nil || f.n < at.n || f.n == at.n && f.last.Before(at.last) {
			least, at = k, f
		}
	}
	if len(by) >= tableMost {
		delete(by, least)
	}
}

func nameKey(name string) sum { return sha256.Sum256([]byte(name)) } // a name may be long

// place is whom an address counts for: of IPv6 a whole /64, which one host has.
func place(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return "unknown"
	}
	if ip = ip.Unmap().WithZone(""); ip.Is6() {
		p, _ := ip.Prefix(64)
		return p.String()
	}
	return ip.String()
}
