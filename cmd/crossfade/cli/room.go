package cli

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/redis"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/parts"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
)

const (
	// sampled is how many sessions of old are read: their mean is within some
	// percent, unless few are very large; the largest is shown beside it.
	sampled = 1000
	// listMost is how long old's names may be listed; what was counted by then
	// is a lower bound, and the row says so.
	listMost = 20 * time.Second
	// perKey is what Redis adds to the bytes of a key and its value: entries of
	// two tables (key, expiry), the object, and what the allocator rounds up
	// (7.0, 64 bit).
	perKey = 180
)

// census is what old holds.
type census struct {
	sessions     int
	part         bool // listing took too long: there are more
	read         int
	bytes, names int64 // of those that were read
	largest      int
}

// need is how much memory the sessions take in a Redis.
func (n *census) need() int64 {
	if n.read == 0 {
		return 0
	}
	return int64(n.sessions) * ((n.bytes+n.names)/int64(n.read) + perKey)
}

// checkRoom holds a sample of old against the limits of new.
func checkRoom(ctx context.Context, c *config.Config) []row {
	r := row{Name: "old sample", Want: "that old lists its sessions"}
	set, err := kinds.Compile(c.Kinds())
	if err != nil || c.Old.Memory != nil {
		return nil
	}
	old, err := parts.OpenStore("old", c.Old, c)
	if err != nil {
		return nil // check has a row for that
	}
	defer old.Close()
	n, err := count(ctx, old, set)
	if err != nil {
		r.Found, r.Mend = err.Error(), "see the rows of old"
		return []row{r}
	}
	r.OK, r.Found = true, fmt.Sprintf("%d sessions, %d read", n.sessions, n.read)
	if n.read > 0 {
		r.Found += fmt.Sprintf(", %d bytes each, the largest %d", n.bytes/int64(n.read), n.largest)
	}
	if n.part {
		r.Found += fmt.Sprintf("; listing was stopped after %v: there are more", listMost)
	}
	size := row{Name: "largest session", OK: n.largest <= backends.MaxData, Found: fmt.Sprintf("%d bytes, of those that were read", n.largest),
		Want: fmt.Sprintf("at most %d: memcached's item of 1 MiB", backends.MaxData)}
	if !size.OK {
		size.Mend = "find what is put into that session: it cannot be copied"
	}
	rows := []row{r, size}
	if c.New.Redis == nil {
		return rows
	}
	store, err := parts.OpenStore("new", c.New, c)
	if err != nil {
		return rows
	}
	defer store.Close()
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	server, ok := store.(*redis.Store)
	if !ok { // a proxy does not say
		return rows
	}
	m, err := server.Memory(ctx)
	if err != nil {
		return rows // the rows of new say it
	}
	return append(rows, room(n, m))
}

// room is whether new can take old's sessions and a quarter more: tombstones,
// locks, and a busy hour.
func room(n census, m redis.Memory) row {
	need := n.need() + n.need()/4
	limit, whose := m.Max, "maxmemory"
	if limit == 0 {
		limit, whose = m.Hosts, "no maxmemory, its machine's memory"
	}
	r := row{Name: "new has room", Want: "old's sessions and a quarter more beside what is used", OK: need <= limit-m.Used,
		Found: fmt.Sprintf("needed %s; %s %s, used %s", mib(need), whose, mib(limit), mib(m.Used))}
	switch {
	case limit == 0:
		r.OK, r.Found = true, fmt.Sprintf("needed %s; the server does not say what it has", mib(need))
	case !r.OK:
		r.Mend = fmt.Sprintf("redis-cli CONFIG SET maxmemory %dmb, on a machine that has it, and in redis.conf", (m.Used+need)>>20+1)
	}
	return r
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// count lists old and reads some of its sessions, each as likely as any other.
func count(ctx context.Context, old backends.Store, set *kinds.Set) (n census, err error) {
	sc, ok := old.(backends.Scanner)
	if !ok {
		return n, errors.New("this store cannot list its sessions")
	}
	listing, cancel := context.WithTimeout(ctx, listMost)
	defer cancel()
	var sample []backends.Key
	err = sc.Scan(listing, "", func(names []string) error {
		for _, name := range names {
			ref, ok := set.FromOld(name)
			if !ok || ref.Lock {
				continue
			}
			n.sessions++
			if len(sample) < sampled {
				sample = append(sample, ref.OldKey())
			} else if i := rand.IntN(n.sessions); i < sampled {
				sample[i] = ref.OldKey()
			}
		}
		return nil
	})
	if n.part = errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil; err != nil && !n.part {
		return n, err
	}
	reading, cancel := context.WithTimeout(ctx, listMost)
	defer cancel()
	for _, k := range sample {
		s, found, err := old.Get(reading, k)
		if err != nil {
			return n, err
		}
		if found {
			n.read++
			n.bytes += int64(len(s.Data))
			n.names += int64(len(k.Name))
			n.largest = max(n.largest, len(s.Data))
		}
	}
	return n, nil
}
