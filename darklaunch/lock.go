package darklaunch

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// grant is a lock that this agent gave and that may still be held.
type grant struct {
	value string
	owner kinds.Owner
	where rules.Grants
	epoch uint64
	until time.Time
}

// grants are the locks that this agent gave, by the lock's name in old.
type grants struct {
	mu sync.Mutex // guards m
	m  map[string]grant
}

func (g *grants) put(name string, gr grant) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.m == nil {
		g.m = map[string]grant{}
	}
	g.m[name] = gr
}

// holder gives the grant of a lock if it is the asker's: given on that
// connection, or to a client with that token.
func (g *grants) holder(name string, o kinds.Owner) (gr grant, known, his bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	gr, known = g.m[name]
	his = known && (o.Client != "" && o.Client == gr.owner.Client || o.Client == "" && o.Conn == gr.owner.Conn)
	if !his && known && time.Now().After(gr.until) {
		return gr, false, false // it has run out: somebody else may hold the lock
	}
	// His own token may be removed also when it has run out: a store that counts
	// in seconds may still have it.
	return gr, known, his
}

func (g *grants) remove(name, value string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.m[name].value == value {
		delete(g.m, name)
	}
}

// olderThan counts the grants of revisions below epoch that may still be held,
// and forgets those that have run out.
func (g *grants) olderThan(epoch uint64, now time.Time) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for name, gr := range g.m {
		switch {
		case now.After(gr.until):
			delete(g.m, name)
		case gr.epoch < epoch:
			n++
		}
	}
	return n
}

// Lock asks for the lock of a session. It is granted for ttl, at most for the
// kind's longest; 0 means the longest. The stored value is unique to the grant.
func (d *Door) Lock(ctx context.Context, r kinds.Ref, o kinds.Owner, ttl time.Duration) (granted bool, err error) {
	if r == (kinds.Ref{}) {
		return false, ErrNoSession
	}
	l := d.l
	if most := r.Kind().LockTTL; ttl <= 0 || ttl > most {
		ttl = most
	}
	client := o.Client
	if client == "" {
		client = "1"
	}
	var unique [16]byte
	rand.Read(unique[:])
	op := operation{ref: r, hash: l.o.Hasher.SumString(r.ID), purpose: Request,
		lock: client + "#" + hex.EncodeToString(unique[:]), lockTTL: ttl}
	began := time.Now()
	if err := l.begin(&op, rules.Lock); err != nil {
		return false, err
	}
	defer op.era.release()
	reply := op.run()
	d.observe(&op, rules.Lock, reply, began)
	switch reply {
	case rules.Done:
		l.grants.put(r.OldLock().Name, grant{value: op.lock, owner: o, epoch: op.at.Epoch,
			until: time.Now().Add(ttl), where: op.m.Grants()})
		return true, nil
	case rules.Refused:
		l.obs.LockConflict()
		return false, nil
	}
	return false, op.unavailable()
}

// Unlock gives the lock back. released is false where the lock is not the
// owner's to give back, or had run out.
func (d *Door) Unlock(ctx context.Context, r kinds.Ref, o kinds.Owner) (released bool, err error) {
	l := d.l
	op := operation{ref: r, hash: l.o.Hasher.SumString(r.ID), purpose: Request}
	if r == (kinds.Ref{}) {
		return false, ErrNoSession
	}
	if l.flags.Stopped() != "" {
		return false, ErrStopped
	}
	began := time.Now()
	op.l, op.era = l, l.eras.hold()
	defer op.era.release()
	if op.at = stays(r, op.era.snap.Decide(op.hash)); !op.at.Ready {
		return false, ErrNotReady
	}
	name := r.OldLock().Name
	gr, known, his := l.grants.holder(name, o)
	switch {
	case his:
		op.lock = gr.value
		op.m = rules.StartUnlock(op.at.Position, gr.where)
	case !known && o.Client != "":
		// Given by another agent, or before a restart: the client's own part
		// proves that it is his.
		where, err := l.foreignGrant(&op, o.Client)
		if err != nil {
			return false, err
		}
		op.m = rules.StartUnlock(op.at.Position, where)
	default:
		op.m = rules.StartUnlock(op.at.Position, 0)
	}
	reply := op.run()
	d.observe(&op, rules.Unlock, reply, began)
	switch reply {
	case rules.Done, rules.Refused:
		l.grants.remove(name, op.lock)
		return reply == rules.Done, nil
	}
	return false, op.unavailable()
}

// foreignGrant looks where a lock lies whose value begins with the client's
// token.
func (l *Layer) foreignGrant(op *operation, client string) (rules.Grants, error) {
	var where rules.Grants
	for _, s := range []rules.Side{rules.Old, rules.New} {
		if s == rules.Old && op.at.Down == flags.OldDownLocks {
			continue
		}
		switch op.at.Position {
		case position.Off, position.Mirror, position.Fenced:
			if s == rules.New {
				continue
			}
		case position.Cutover:
			if s == rules.Old {
				continue
			}
		}
		var value string
		var found bool
		err := l.timed(op, rules.Call{Kind: rules.LockCall, Side: s}, func(ctx context.Context) (err error) {
			value, found, err = l.store(s).LockValue(ctx, op.lockKey(s))
			return err
		})
		if err != nil {
			op.failure = err
			return 0, op.unavailable()
		}
		if i := strings.LastIndexByte(value, '#'); found && i >= 0 && value[:i] == client {
			op.lock = value
			where |= rules.GrantOld << s
		}
	}
	return where, nil
}
