package flags

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"
	"github.com/open-feature/go-sdk/openfeature/memprovider"

	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// client registers a provider with an API of its own: the global one of the
// process is not touched.
func client(t testing.TB, p openfeature.FeatureProvider, wantErr bool) *openfeature.Client {
	t.Helper()
	api := isolated.NewAPI()
	if err := api.SetProviderAndWait(t.Context(), p); (err != nil) != wantErr {
		t.Fatalf("SetProviderAndWait: %v, want an error: %v", err, wantErr)
	}
	t.Cleanup(func() { api.Shutdown(context.Background()) })
	return api.NewClient()
}

func TestProviderThroughTheSDK(t *testing.T) {
	h := testHasher(t)
	src := NewStatic(costly(t))
	c := client(t, NewProvider(src), false)
	for _, v := range vectors {
		hash := h.SumString(v.id)
		want := src.Decide(hash)
		got, err := c.StringValueDetails(t.Context(), Key, "off", openfeature.NewEvaluationContext(hash.String(), nil))
		if err != nil || got.Value != want.Position.String() || got.Variant != got.Value || got.Reason != openfeature.SplitReason {
			t.Errorf("%s: %+v, %v, want %v by SPLIT", hash, got, err, want.Position)
		}
		if e, err := got.FlagMetadata.GetInt(MetaEpoch); err != nil || e != 9 {
			t.Errorf("epoch %d, %v, want 9", e, err)
		}
		if b, err := got.FlagMetadata.GetInt(MetaBucket); err != nil || b != int64(want.Bucket) {
			t.Errorf("bucket %d, %v, want %d", b, err, want.Bucket)
		}
	}
	hash := h.SumString("a")
	for name, tt := range map[string]struct {
		flag, key string
		want      openfeature.ErrorCode
	}{
		"no key":      {Key, "", openfeature.TargetingKeyMissingCode},
		"session id":  {Key, "q9pr2r6v3vsl9c1n2v3hm1b7gd", openfeature.InvalidContextCode},
		"other flags": {"checkout", hash.String(), openfeature.FlagNotFoundCode},
	} {
		got, err := c.StringValueDetails(t.Context(), tt.flag, "fenced", openfeature.NewEvaluationContext(tt.key, nil))
		if err == nil || got.ErrorCode != tt.want || got.Value != "fenced" {
			t.Errorf("%s: %+v, %v, want %s and the default", name, got, err, tt.want)
		}
		if err != nil && tt.key != "" && strings.Contains(err.Error()+got.ErrorMessage, tt.key) {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
	if got, err := c.BooleanValueDetails(t.Context(), Key, true, openfeature.NewEvaluationContext(hash.String(), nil)); got.ErrorCode != openfeature.TypeMismatchCode || !got.Value {
		t.Errorf("as a boolean: %+v, %v, want TYPE_MISMATCH and the default", got, err)
	}
}

// TestProviderEvents: late readiness and changes arrive, and the epoch with
// them.
func TestProviderEvents(t *testing.T) {
	src := NewStatic(nil)
	p := NewProvider(src)
	c := client(t, p, true)
	events := make(chan openfeature.EventDetails, 8)
	on := func(d openfeature.EventDetails) { events <- d }
	c.AddHandler(openfeature.ProviderReady, &on)
	c.AddHandler(openfeature.ProviderConfigChange, &on)
	for epoch, at := range []position.Position{position.Off, position.Mirror, position.Fenced} {
		d := allAt(at)
		d.Epoch = uint64(epoch + 1)
		if err := src.Set(mustCompile(t, d)); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-events:
			if e := got.EventMetadata[MetaEpoch]; e != int64(epoch+1) {
				t.Errorf("event of epoch %v, want %d", e, epoch+1)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("no event for epoch %d", epoch+1)
		}
	}
	p.Shutdown()
	p.Shutdown()
}

// fake answers as it is told.
type fake struct {
	value string
	epoch int64
	err   error
	panic bool
	seen  time.Duration // of the context's deadline
}

func (f *fake) StringValueDetails(ctx context.Context, _ string, def string, _ openfeature.EvaluationContext, _ ...openfeature.Option) (openfeature.StringEvaluationDetails, error) {
	if at, ok := ctx.Deadline(); ok {
		f.seen = time.Until(at)
	}
	if f.panic {
		panic("secret")
	}
	var d openfeature.StringEvaluationDetails
	d.Value = f.value
	if f.err != nil {
		d.Value = def
	}
	d.FlagMetadata = openfeature.FlagMetadata{}
	if f.epoch != 0 {
		d.FlagMetadata[MetaEpoch] = f.epoch
	}
	return d, f.err
}

func TestForeign(t *testing.T) {
	tests := []struct {
		name      string
		ours      position.Position
		say       fake
		want      position.Position
		errors    uint64
		disagreed uint64
	}{
		{"raises to mirror", position.Off, fake{value: "mirror"}, position.Mirror, 0, 0},
		{"is clamped to mirror", position.Off, fake{value: "cutover"}, position.Mirror, 0, 0},
		{"with a wrong epoch is clamped", position.Off, fake{value: "cutover", epoch: 4}, position.Mirror, 0, 0},
		{"leaves off alone", position.Off, fake{value: "off"}, position.Off, 0, 0},
		{"does not lower mirror", position.Mirror, fake{value: "off"}, position.Mirror, 0, 0},
		{"does not raise mirror", position.Mirror, fake{value: "read-new"}, position.Mirror, 0, 0},
		{"does not lower read-new", position.ReadNew, fake{value: "mirror"}, position.ReadNew, 0, 0},
		{"with our epoch agrees", position.ReadNew, fake{value: "read-new", epoch: 5}, position.ReadNew, 0, 0},
		{"with our epoch and another answer", position.ReadNew, fake{value: "off", epoch: 5}, position.ReadNew, 0, 1},
		{"unknown variant", position.Fenced, fake{value: "on"}, position.Fenced, 1, 0},
		{"error", position.Cutover, fake{err: errors.New("down")}, position.Cutover, 1, 0},
		{"panic", position.Fenced, fake{panic: true}, position.Fenced, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := allAt(tt.ours)
			d.Epoch = 5
			f := FromOpenFeature(&tt.say, NewStatic(mustCompile(t, d)), ForeignOptions{})
			got := f.Decide(Hash{})
			if got.Position != tt.want || !got.Ready || got.Epoch != 5 {
				t.Errorf("got %+v, want %v of epoch 5", got, tt.want)
			}
			if s := f.Stats(); s.Errors != tt.errors || s.Disagreed != tt.disagreed || (s.LastError != nil) != (tt.errors > 0) {
				t.Errorf("stats %+v, want %d errors and %d differences", s, tt.errors, tt.disagreed)
			} else if s.LastError != nil && strings.Contains(s.LastError.Error(), "secret") {
				t.Errorf("the error shows what panicked: %v", s.LastError)
			}
			if tt.say.seen <= 0 && !tt.say.panic {
				t.Error("the evaluation had no deadline")
			}
		})
	}
}

// TestForeignKeepsTheLastPosition: what the provider raised stays raised while
// it fails, until the epoch changes; and it decides nothing without ours.
func TestForeignKeepsTheLastPosition(t *testing.T) {
	d := allAt(position.Off)
	src := NewStatic(mustCompile(t, d))
	say := &fake{value: "mirror"}
	f := FromOpenFeature(say, src, ForeignOptions{})
	f.Decide(Hash{})
	say.err = errors.New("down")
	if got := f.Decide(Hash{}).Position; got != position.Mirror {
		t.Errorf("after an error: %v, want mirror, as before", got)
	}
	d.Epoch = 2
	if err := src.Set(mustCompile(t, d)); err != nil {
		t.Fatal(err)
	}
	if got := f.Decide(Hash{}).Position; got != position.Off {
		t.Errorf("in the next epoch: %v, want off", got)
	}
	if FromOpenFeature(say, NewStatic(nil), ForeignOptions{}).Decide(Hash{}).Ready {
		t.Error("decides without a revision of ours")
	}
}

// TestForeignMemprovider: one of OpenFeature's own providers, and our own flag
// through the SDK, both evaluated per operation.
func TestForeignMemprovider(t *testing.T) {
	mem := memprovider.NewInMemoryProvider(map[string]memprovider.InMemoryFlag{
		Key: {Key: Key, State: memprovider.Enabled, DefaultVariant: "on", Variants: map[string]any{"on": "mirror"}},
	})
	f := FromOpenFeature(client(t, mem, false), NewStatic(mustCompile(t, allAt(position.Off))), ForeignOptions{})
	if got := f.Decide(Hash{}); got.Position != position.Mirror {
		t.Errorf("got %v, %+v, want mirror", got.Position, f.Stats())
	}
	src := NewStatic(costly(t))
	f = FromOpenFeature(client(t, NewProvider(src), false), src, ForeignOptions{})
	h := testHasher(t)
	for _, v := range vectors {
		hash := h.SumString(v.id)
		if got, want := f.Decide(hash), src.Decide(hash); got != want {
			t.Errorf("through the SDK %+v, directly %+v", got, want)
		}
	}
	if s := f.Stats(); s.Errors+s.Disagreed != 0 {
		t.Errorf("stats %+v", s)
	}
}
