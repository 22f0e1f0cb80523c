package darklaunch

import (
	"sync"
	"time"
)

// tombstones counts those that this agent wrote and that have not run out, by
// the second in which they do. One that a later write has cleared is counted
// until then.
type tombstones struct {
	mu sync.Mutex // guards ends
	// ends has an element for each second that is the end of some: as many as
	// the longest life has seconds, in practice twice the copy timeout.
	ends map[int64]int64
}

func (t *tombstones) wrote(now time.Time, ttl time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ends == nil {
		t.ends = map[int64]int64{}
	}
	t.ends[now.Add(ttl).Unix()]++
	if len(t.ends)%1024 == 0 {
		t.prune(now)
	}
}

func (t *tombstones) prune(now time.Time) {
	for end := range t.ends {
		if end <= now.Unix() {
			delete(t.ends, end)
		}
	}
}

// standing is how many have not run out.
func (t *tombstones) standing(now time.Time) (n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.prune(now)
	for _, k := range t.ends {
		n += k
	}
	return n
}
