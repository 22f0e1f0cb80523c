package flags

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/open-feature/go-sdk/openfeature"

	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// Client is what of an OpenFeature client is used: *openfeature.Client, of the
// global API or of an isolated one.
type Client interface {
	StringValueDetails(ctx context.Context, flag string, defaultValue string, evalCtx openfeature.EvaluationContext,
		options ...openfeature.Option) (openfeature.StringEvaluationDetails, error)
}

// ForeignOptions are the options of a Foreign; the zero value works.
type ForeignOptions struct {
	// Timeout is the deadline that an evaluation is given. A provider that
	// does not look at its context is not bounded by it: use one that answers
	// from memory. Default 20 ms, less than any store call is given.
	Timeout time.Duration
}

// Foreign is a Decider that asks any OpenFeature provider, through the SDK, at
// each operation, beside the revision that a Source of ours has. What the
// provider may do follows from what two agents may not: be more than one
// position apart for one session, also when one of them cannot reach it.
//
//   - Without our epoch in its flag metadata it may raise a session from off to
//     mirror and nothing more. Where our revision says mirror or further, that
//     is what counts: one that lowers a session at some agents only would put
//     it beside fenced at others.
//   - With our epoch it is one of ours that came another way (our flag in their
//     flagd), and must say what our revision says. Where it does not, ours
//     counts and the difference is counted: it buckets otherwise (flagd before
//     0.15) or knows no pins.
//   - An error, a panic, a timeout or an unknown variant means the position
//     that the session's bucket had last in this epoch, else our revision's:
//     never simply off.
type Foreign struct {
	client  Client
	ours    Source
	timeout time.Duration

	// last remembers, by bucket, the epoch (shifted left by one) and whether
	// the provider had last raised it to mirror.
	last [Buckets]atomic.Uint64

	errs, disagreed atomic.Uint64
	err             atomic.Pointer[error]
}

var _ Decider = (*Foreign)(nil)

// FromOpenFeature makes a Foreign. ours is needed: the epoch and the floor come
// from it, and it is what counts when the provider fails.
func FromOpenFeature(client Client, ours Source, opt ForeignOptions) *Foreign {
	if opt.Timeout <= 0 {
		opt.Timeout = 20 * time.Millisecond
	}
	return &Foreign{client: client, ours: ours, timeout: opt.Timeout}
}

// ForeignStats count since the start.
type ForeignStats struct {
	// Errors is how many evaluations gave no position; LastError is the newest.
	Errors    uint64
	LastError error
	// Disagreed is how many carried our epoch and another position than ours.
	Disagreed uint64
}

// Stats say how the provider does.
func (f *Foreign) Stats() ForeignStats {
	s := ForeignStats{Errors: f.errs.Load(), Disagreed: f.disagreed.Load()}
	if e := f.err.Load(); e != nil {
		s.LastError = *e
	}
	return s
}

// Decide asks the provider, and falls back to our revision.
func (f *Foreign) Decide(h Hash) Decision {
	d := f.ours.Decide(h)
	if !d.Ready {
		return d
	}
	last := &f.last[d.Bucket]
	at, epoch, err := f.evaluate(h, d.Position)
	switch {
	case err != nil:
		f.errs.Add(1)
		f.err.Store(&err)
		if d.Position == position.Off && !d.Pinned && last.Load() == d.Epoch<<1|1 {
			d.Position = position.Mirror
		}
	case epoch == d.Epoch:
		if at != d.Position {
			f.disagreed.Add(1)
		}
	case d.Position == position.Off && !d.Pinned:
		mark := d.Epoch << 1
		if at != position.Off {
			d.Position = position.Mirror
			mark |= 1
		}
		if last.Load() != mark { // a load is cheaper than a shared write
			last.Store(mark)
		}
	}
	return d
}

// evaluate gives the provider's position and the epoch that it carries; 0
// without one.
func (f *Foreign) evaluate(h Hash, def position.Position) (at position.Position, epoch uint64, err error) {
	defer func() {
		if r := recover(); r != nil {
			// What panicked is not shown: it may hold anything.
			err = fmt.Errorf("flags: the OpenFeature provider panicked (%T): see the provider's own log", r)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), f.timeout)
	defer cancel()
	got, err := f.client.StringValueDetails(ctx, Key, def.String(), openfeature.NewEvaluationContext(h.String(), nil))
	if err != nil {
		return 0, 0, fmt.Errorf("flags: OpenFeature provider: %w", err)
	}
	if got.Reason == openfeature.ErrorReason {
		return 0, 0, errors.New("flags: OpenFeature provider: reason ERROR: see the provider's own log")
	}
	at, err = position.Parse(got.Value)
	if err != nil {
		return 0, 0, fmt.Errorf("flags: OpenFeature provider: %w", err)
	}
	if e, err := got.FlagMetadata.GetInt(MetaEpoch); err == nil && e > 0 {
		epoch = uint64(e)
	}
	return at, epoch, nil
}
