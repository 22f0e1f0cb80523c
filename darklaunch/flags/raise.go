package flags

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// LastElsewhere is the name, in the state folder, of the last definition made
// elsewhere that was served.
const LastElsewhere = "flags.elsewhere.json"

// nothing is the revision of an agent that knows none of the migration's: all
// sessions are off. Its epoch is 0, so that whatever the migration publishes
// counts above it, and no step takes it for an acknowledgement.
func nothing(migration string) *Snapshot {
	d := Definition{Migration: migration, Default: position.Off}
	d.Weights[position.Off] = Buckets
	return &Snapshot{def: d, seed: newBucketer(Key), spans: []span{{Buckets, position.Off}}}
}

// serve puts a revision, as it is with what was defined elsewhere.
func (k *Kept) serve(n *Snapshot) { k.put(n.raised(k.raise)) }

// takeElsewhere serves a definition that was made elsewhere, beside the revision
// of ours that is known: it raises sessions from off to mirror, and does
// nothing more. Where none is known, all are off.
func (k *Kept) takeElsewhere(data []byte, from Channel) error {
	e, err := parseElsewhere(data)
	k.take.Lock()
	defer k.take.Unlock()
	k.recall()
	if why := k.Stopped(); err == nil && why != "" {
		err = fmt.Errorf("%w: %s", ErrStopped, why)
	}
	if err == nil && (k.raise == nil || !bytes.Equal(k.raise.data, data)) {
		k.raise = e
		k.keepElsewhere(data)
		if k.begun {
			if k.Current() == nil {
				k.serve(nothing(k.opt.Migration))
			} else {
				k.serve(k.Current())
			}
		}
	}
	k.note(func(s *Status) { s.told(from, err) })
	return err
}

// lower ends what a definition made elsewhere did: one of ours has come in its
// place.
func (k *Kept) lower() {
	if k.raise == nil {
		return
	}
	k.raise = nil
	k.keepElsewhere(nil)
	if cur := k.Current(); cur != nil {
		k.serve(cur)
	}
}

// recallElsewhere reads what an earlier life served.
func (k *Kept) recallElsewhere() {
	data, err := readUpTo(filepath.Join(k.opt.StateDir, LastElsewhere), MaxFile+1)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		k.raise, err = parseElsewhere(data)
	}
	if err != nil {
		k.note(func(s *Status) { s.SaveError = fmt.Errorf("flags: saved copy %s: %w", LastElsewhere, err) })
	}
}

// keepElsewhere writes down what is served; nil: nothing is. A full disk does
// not stop it.
func (k *Kept) keepElsewhere(data []byte) {
	if k.opt.StateDir == "" {
		return
	}
	path := filepath.Join(k.opt.StateDir, LastElsewhere)
	err := os.MkdirAll(k.opt.StateDir, 0o700)
	switch {
	case err != nil:
	case data == nil:
		if err = os.Remove(path); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	default:
		err = saveFile(path, data)
	}
	if err != nil {
		k.note(func(s *Status) {
			s.SaveError = fmt.Errorf("flags: save the flags made elsewhere: %w: check agent.state_dir", err)
		})
	}
}
