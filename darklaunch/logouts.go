package darklaunch

import (
	"context"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/census"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

const (
	lookWorkers = 2
	// unreadLife is how long a session is followed whose end nobody knows.
	unreadLife = 24 * time.Hour
	lookQueue  = 1000 // looks waiting; one more is left out, and its session's last verdict stays
)

// logouts follows a fixed share of the sessions: would the next stage find them?
type logouts struct {
	*census.Census
	first, second chan look
}

// look is a question to the store that did not answer the client. What is
// missing there is asked for again a moment later, of both: it may be on its way.
type look struct {
	hash flags.Hash
	ref  kinds.Ref
	at   flags.Decision
	due  time.Time
}

func newLogouts() *logouts {
	return &logouts{Census: census.New(census.DefaultMost), first: make(chan look, lookQueue), second: make(chan look, lookQueue)}
}

// follow notes a client's read, if its session is in the census.
func (l *Layer) follow(op *operation, reply rules.Reply) {
	if !l.logouts.Takes(op.hash) || op.ref.Synthetic() || op.ref.Kind().Stays != "" {
		return
	}
	now := time.Now()
	switch op.at.Position {
	case position.Mirror, position.Fenced, position.ReadNew:
	default: // there is no next stage that could lose it
		l.logouts.Missing(op.hash, now)
		return
	}
	if op.at.Down != flags.NoneDown {
		return
	}
	side := rules.Old
	switch reply {
	case rules.HitNew:
		side = rules.New
	case rules.Missing:
		l.logouts.Missing(op.hash, now)
		return
	}
	if !l.logouts.Seen(op.hash, now, l.lasts(op.ref, &op.got[side].Session, now)) {
		return
	}
	if side == rules.New {
		l.logouts.Judge(op.hash, census.Kept, now)
		return
	}
	select {
	case l.logouts.first <- look{hash: op.hash, ref: op.ref, at: op.at}:
	default:
		l.logouts.GiveUp(op.hash)
	}
}

// followWrite notes what a write does to a session's life.
func (l *Layer) followWrite(op *operation, kind rules.Op, reply rules.Reply) {
	if !l.logouts.Takes(op.hash) || reply == rules.Error || op.ref.Synthetic() || op.ref.Kind().Stays != "" {
		return
	}
	now := time.Now()
	switch op.became(kind, reply) {
	case rules.Delete:
		if reply != rules.Done {
			l.logouts.Missing(op.hash, now)
			return
		}
		l.logouts.Gone(op.hash, now, l.lasts(op.ref, nil, now))
	case rules.Touch:
		if reply == rules.Done {
			l.logouts.Extend(op.hash, l.lasts(op.ref, &backends.Session{Deadline: op.deadline}, now))
		}
	case rules.Set, rules.Add:
		if reply == rules.Done {
			l.logouts.Extend(op.hash, l.lasts(op.ref, &op.write, now))
		}
	}
}

// lasts is when a session ends at the latest, as far as can be told.
func (l *Layer) lasts(ref kinds.Ref, s *backends.Session, now time.Time) time.Time {
	if s != nil && !s.DeadlineUnknown && !s.Deadline.IsZero() {
		return s.Deadline
	}
	if age := ref.Kind().MaxAge; age > 0 {
		return now.Add(age)
	}
	return now.Add(unreadLife)
}

// looking makes the first looks.
func (l *Layer) looking(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case k := <-l.logouts.first:
			newer, err := l.peek(k, rules.New)
			switch {
			case err != nil:
				l.logouts.Judge(k.hash, census.Unknown, time.Now())
				continue
			case newer.Found:
				l.logouts.Judge(k.hash, census.Kept, time.Now())
				continue
			}
			k.due = time.Now().Add(l.o.CompareRecheck)
			select {
			case l.logouts.second <- k:
			default:
				l.logouts.GiveUp(k.hash)
			}
		}
	}
}

// lookingAgain makes the second looks. They wait equally long, so that the first
// in the queue is the first that is due.
func (l *Layer) lookingAgain(ctx context.Context) {
	for {
		var k look
		select {
		case <-ctx.Done():
			return
		case k = <-l.logouts.second:
		}
		if !rest(ctx, time.Until(k.due)) {
			return
		}
		l.logouts.Judge(k.hash, l.judge(k), time.Now())
	}
}

func (l *Layer) judge(k look) census.Verdict {
	newer, err := l.peek(k, rules.New)
	if err != nil {
		return census.Unknown
	}
	if newer.Found {
		return census.Kept
	}
	older, err := l.peek(k, rules.Old)
	switch {
	case err != nil:
		return census.Unknown
	case !older.Found || newer.Gone:
		return census.Gone
	case l.underWay(k.hash, k.ref):
		return census.Unknown // a step waits for it
	}
	return census.Lost
}

func (l *Layer) peek(k look, s rules.Side) (backends.Record, error) {
	return l.look(comparison{hash: k.hash, ref: k.ref, at: k.at}, s)
}

// underWay tells whether a write of the session has not arrived everywhere yet.
// A step waits for that; that the session is dirty is another thing.
func (l *Layer) underWay(h flags.Hash, ref kinds.Ref) bool {
	var is bool
	l.table.with(h, ref, func(s *session) {
		is = s.writing || s.queued > 0 || s.repairing || len(s.unknown[0])+len(s.unknown[1]) > 0
	})
	return is
}

// WouldBeLogouts is what this agent knows of the sessions that it follows: one in
// so many of those that were read through it. Samples of several agents merge by
// session: migrate/logouts.
func (l *Layer) WouldBeLogouts() census.Sample { return l.logouts.Sample(time.Now()) }
