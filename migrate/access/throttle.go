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
	freeByPair, freeByPlace = 5, 20
	// freeByName is of one name from everywhere: who guesses from many addresses has
	// so many tries, and each address its own.
	freeByName  = 50
	waitMost    = 5 * time.Minute
	forgetAfter = 15 * time.Minute // since the last failure
	// knownFor is how long a name is not kept from an address at which it signed in
	// by what fails elsewhere.
	knownFor = 30 * 24 * time.Hour
	// tableMost bounds each table, some 400 KB. Past it the entry with the fewest
	// failures goes: a flood of names that fail once wipes out nobody's count.
	tableMost = 4096
)

// throttle makes wrong passwords cost time: for a name at an address, for the
// address, and, past many more, for the name, but not at an address where it has
// signed in before. So whoever guesses somebody's password pays for it, and not
// the one whose it is.
type throttle struct {
	clock func() time.Time

	mu     sync.Mutex // guards the tables
	pairs  map[pair]*failures
	places map[string]*failures
	names  map[sum]*failures
	known  map[pair]time.Time // where each has signed in, and when last
}

type pair struct {
	name  sum
	place string
}

type failures struct {
	n     int
	last  time.Time
	until time.Time // before it no try is looked at
}

func newThrottle(clock func() time.Time) *throttle {
	return &throttle{clock: clock, pairs: map[pair]*failures{}, places: map[string]*failures{}, names: map[sum]*failures{}, known: map[pair]time.Time{}}
}

func pairOf(name, addr string) pair { return pair{nameKey(name), place(addr)} }

// wait is how long a try has to wait; 0: it may be looked at.
func (t *throttle) wait(name, addr string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, p := t.clock(), pairOf(name, addr)
	fs := []*failures{t.pairs[p], t.places[p.place]}
	if at, ok := t.known[p]; !ok || now.Sub(at) >= knownFor {
		fs = append(fs, t.names[p.name])
	}
	left := time.Duration(0)
	for _, f := range fs {
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
	now, p := t.clock(), pairOf(name, addr)
	note(t.pairs, p, freeByPair, now)
	note(t.places, p.place, freeByPlace, now)
	note(t.names, p.name, freeByName, now)
}

// passed forgets what failed under that name at that address, and remembers that
// it is at home there. What failed from the address stays: one who may sign in
// could try others' passwords between. So does what failed from elsewhere.
func (t *throttle) passed(name, addr string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := pairOf(name, addr)
	delete(t.pairs, p)
	if _, ok := t.known[p]; !ok && len(t.known) >= tableMost {
		oldest := p
		for k, at := range t.known {
			if oldest == p || at.Before(t.known[oldest]) {
				oldest = k
			}
		}
		delete(t.known, oldest)
	}
	t.known[p] = t.clock()
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
