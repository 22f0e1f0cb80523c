package flags

import (
	"context"
	"fmt"
	"sync"

	"github.com/open-feature/go-sdk/openfeature"
)

// Names of what the Provider gives with each answer, as OpenFeature's flag
// metadata.
const (
	MetaMigration = "migration"
	MetaEpoch     = "epoch"         // int64
	MetaFloor     = "cutover_floor" // int64, in buckets
	MetaBucket    = "bucket"        // int64
	MetaStage     = "stage"         // what people call the position
	MetaSettled   = "settled"       // bool, of this session
	MetaPinned    = "pinned"        // bool, of this session
	MetaKeepOld   = "keep_old"      // bool
	MetaDown      = "declared_down" // "", "old" or "new"
)

// Provider makes a Source an OpenFeature provider: the string flag
// crossfade-stage, by the targeting key that Hash.String gives. Register it
// once and let the Source move on inside: while a provider is registered anew
// the SDK answers with defaults.
//
// The SDK runs handlers in goroutines of their own, so its events overtake each
// other: a handler reads the Source again and compares epochs.
type Provider struct {
	src    Source
	events chan openfeature.Event

	mu   sync.Mutex // guards stop
	stop func()     // ends the watching and waits for it; nil outside Init and Shutdown
}

var (
	_ openfeature.FeatureProvider = (*Provider)(nil)
	_ openfeature.StateHandler    = (*Provider)(nil)
	_ openfeature.EventHandler    = (*Provider)(nil)
)

// NewProvider makes a Provider of src.
func NewProvider(src Source) *Provider {
	return &Provider{src: src, events: make(chan openfeature.Event, 1)}
}

// Metadata names the provider.
func (p *Provider) Metadata() openfeature.Metadata {
	return openfeature.Metadata{Name: "crossfade"}
}

// Hooks are none.
func (p *Provider) Hooks() []openfeature.Hook { return nil }

// EventChannel gives PROVIDER_CONFIGURATION_CHANGED for each revision, and
// PROVIDER_READY for a first one that came late.
func (p *Provider) EventChannel() <-chan openfeature.Event { return p.events }

// Init begins to watch the source. It fails with PROVIDER_NOT_READY while there
// is no revision, and watches all the same.
func (p *Provider) Init(openfeature.EvaluationContext) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stop != nil {
		p.stop()
	}
	known := p.src.Current().Epoch()
	revisions, unwatch := p.src.Watch()
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { p.watch(revisions, known, done) })
	p.stop = func() {
		unwatch()
		close(done)
		wg.Wait()
	}
	if known == 0 {
		return &openfeature.ProviderInitError{ErrorCode: openfeature.ProviderNotReadyCode, Message: p.notReady()}
	}
	return nil
}

// Shutdown ends the watching.
func (p *Provider) Shutdown() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stop != nil {
		p.stop()
		p.stop = nil
	}
}

func (p *Provider) watch(revisions <-chan *Snapshot, known uint64, done <-chan struct{}) {
	for {
		var s *Snapshot
		select {
		case <-done:
			return
		case s = <-revisions:
		}
		if s.Epoch() == known {
			continue // what was current at Init
		}
		event := openfeature.Event{
			ProviderName: "crossfade",
			EventType:    openfeature.ProviderConfigChange,
			ProviderEventDetails: openfeature.ProviderEventDetails{
				Message:       fmt.Sprintf("epoch %d", s.Epoch()),
				FlagChanges:   []string{Key},
				EventMetadata: map[string]any{MetaEpoch: int64(s.Epoch()), MetaMigration: s.Migration()},
			},
		}
		if known == 0 {
			event.EventType = openfeature.ProviderReady
		}
		known = s.Epoch()
		select {
		case <-done:
			return
		case p.events <- event:
		}
	}
}

func (p *Provider) notReady() string {
	if err := p.src.Status().LastError; err != nil {
		return err.Error()
	}
	return "flags: not ready: no revision is known"
}

// StringEvaluation gives the position of the session whose hash is the
// targeting key. A key that is no hash is refused and not repeated: it may be
// a session id.
func (p *Provider) StringEvaluation(_ context.Context, flag string, def string, flat openfeature.FlattenedContext) openfeature.StringResolutionDetail {
	out := openfeature.StringResolutionDetail{Value: def}
	fail := func(e openfeature.ResolutionError) openfeature.StringResolutionDetail {
		out.ResolutionError, out.Reason = e, openfeature.ErrorReason
		return out
	}
	if flag != Key {
		return fail(notFound())
	}
	key, _ := flat[openfeature.TargetingKey].(string)
	if key == "" {
		return fail(openfeature.NewTargetingKeyMissingResolutionError("flags: the targeting key is the session's hash"))
	}
	h, err := ParseHash(key)
	if err != nil {
		return fail(openfeature.NewInvalidContextResolutionError(err.Error()))
	}
	s := p.src.Current()
	if s == nil {
		return fail(openfeature.NewProviderNotReadyResolutionError(p.notReady()))
	}
	d := s.Decide(h)
	out.Value = d.Position.String()
	out.Variant = out.Value
	out.Reason = openfeature.SplitReason
	if d.Pinned {
		out.Reason = openfeature.TargetingMatchReason
	}
	out.FlagMetadata = openfeature.FlagMetadata{
		MetaMigration: s.Migration(),
		MetaEpoch:     int64(d.Epoch),
		MetaFloor:     int64(s.def.CutoverFloor),
		MetaBucket:    int64(d.Bucket),
		MetaStage:     d.Position.Stage(),
		MetaSettled:   d.Settled,
		MetaPinned:    d.Pinned,
		MetaKeepOld:   d.KeepOld,
		MetaDown:      d.Down.String(),
	}
	return out
}

func notFound() openfeature.ResolutionError {
	return openfeature.NewFlagNotFoundResolutionError("flags: the only flag is " + Key)
}

// otherType is the answer to an evaluation that is not of a string.
func otherType(flag string) openfeature.ProviderResolutionDetail {
	e := notFound()
	if flag == Key {
		e = openfeature.NewTypeMismatchResolutionError("flags: " + Key + " is a string")
	}
	return openfeature.ProviderResolutionDetail{ResolutionError: e, Reason: openfeature.ErrorReason}
}

// BooleanEvaluation has no flag to evaluate.
func (p *Provider) BooleanEvaluation(_ context.Context, flag string, def bool, _ openfeature.FlattenedContext) openfeature.BoolResolutionDetail {
	return openfeature.BoolResolutionDetail{Value: def, ProviderResolutionDetail: otherType(flag)}
}

// FloatEvaluation has no flag to evaluate.
func (p *Provider) FloatEvaluation(_ context.Context, flag string, def float64, _ openfeature.FlattenedContext) openfeature.FloatResolutionDetail {
	return openfeature.FloatResolutionDetail{Value: def, ProviderResolutionDetail: otherType(flag)}
}

// IntEvaluation has no flag to evaluate.
func (p *Provider) IntEvaluation(_ context.Context, flag string, def int64, _ openfeature.FlattenedContext) openfeature.IntResolutionDetail {
	return openfeature.IntResolutionDetail{Value: def, ProviderResolutionDetail: otherType(flag)}
}

// ObjectEvaluation has no flag to evaluate.
func (p *Provider) ObjectEvaluation(_ context.Context, flag string, def any, _ openfeature.FlattenedContext) openfeature.InterfaceResolutionDetail {
	return openfeature.InterfaceResolutionDetail{Value: def, ProviderResolutionDetail: otherType(flag)}
}
