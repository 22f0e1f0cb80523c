package darklaunch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/alike"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
)

// syntheticLife is how long a synthetic session lives that was not deleted, since
// its agent was killed in between.
const syntheticLife = 30 * time.Second

// Trip is one round trip of a synthetic session, through the layer as a client's
// would be: at the position that its id has.
type Trip struct {
	Kind     string        `json:"kind"`
	Position string        `json:"position"`
	Took     time.Duration `json:"took_ns"`
	// Step that failed, and why: set, read, touch, delete or look. Empty: none did.
	Step string `json:"step,omitempty"`
	Why  string `json:"why,omitempty"` // no id is in it
}

// Synthetic makes a synthetic session of each kind, reads it back, touches it and
// deletes it. It proves that this agent serves, and nothing else: observers,
// comparisons, the census and observations leave it out, and so does who copies.
// What the rules owe any session they owe it too: one that new did not take is
// marked, and repaired. none are kinds whose ids have no room for one.
func (l *Layer) Synthetic(ctx context.Context) (trips []Trip, none []string) {
	refs, none := l.o.Kinds.Synthetic()
	for _, r := range refs {
		trips = append(trips, l.trip(ctx, r))
	}
	return trips, none
}

var errSynthetic = errors.New("it is not what was written")

func (l *Layer) trip(ctx context.Context, r kinds.Ref) Trip {
	_, at := l.Position(r)
	t := Trip{Kind: r.Kind().Name, Position: at.Position.String()}
	d, began := l.Door("synthetic"), time.Now()
	// Whoever lists sessions in a store finds one that can be read as its others.
	data := []byte(`crossfade|s:9:"synthetic";`)
	switch r.Kind().Format {
	case alike.PHPSerialize:
		data = []byte(`a:1:{s:9:"crossfade";s:9:"synthetic";}`)
	case alike.JSON:
		data = []byte(`{"crossfade":"synthetic"}`)
	}
	flags := r.Kind().Flags
	steps := []struct {
		name string
		do   func() error
	}{
		{"set", func() error {
			return d.Set(ctx, r, backends.Session{Data: data, Flags: flags, Deadline: began.Add(syntheticLife)})
		}},
		{"read", func() error {
			s, found, err := d.Get(ctx, r)
			if err == nil && (!found || !bytes.Equal(s.Data, data)) {
				err = errSynthetic
			}
			return there(found, err)
		}},
		{"touch", func() error { return there(d.Touch(ctx, r, time.Now().Add(syntheticLife))) }},
		{"delete", func() error { return there(d.Delete(ctx, r)) }},
		{"look", func() error {
			_, found, err := d.Get(ctx, r)
			if err == nil && found {
				err = errors.New("it is there after it was deleted")
			}
			return err
		}},
	}
	for i, s := range steps {
		if err := s.do(); err != nil {
			t.Step, t.Why = s.name, err.Error()
			if i < 3 {
				d.Delete(ctx, r) // else it lives for half a minute
			}
			break
		}
	}
	t.Took = time.Since(began)
	return t
}

// there is an error where a session that was written is not found.
func there(found bool, err error) error {
	if err == nil && !found {
		return fmt.Errorf("it is missing: %w", errSynthetic)
	}
	return err
}

// seen is whom to tell of a session: nobody, where no client made it.
func (l *Layer) seen(r kinds.Ref) Observer {
	if r.Synthetic() {
		return nobody{}
	}
	return l.obs
}
