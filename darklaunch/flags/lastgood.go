package flags

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// LastGood is the name, in the state folder, of the copy of the last revision
// that was served.
const LastGood = "flags.last-good.json"

// recall reads the last good copy, once, before anything is judged by it.
func (k *Kept) recall() {
	if k.read || k.begun {
		return
	}
	k.read = true
	if k.opt.StateDir == "" {
		return
	}
	k.recallElsewhere()
	data, err := readUpTo(filepath.Join(k.opt.StateDir, LastGood), MaxFile+1)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var n *Snapshot
	if err == nil {
		n, err = k.parse(data)
	}
	if err != nil {
		k.note(func(s *Status) { s.SaveError = fmt.Errorf("flags: saved copy %s: %w", LastGood, err) })
		return
	}
	k.saved = n
	k.note(func(s *Status) { s.Saved = n.Epoch() })
}

// keep is save, for a channel that looks again and again.
func (k *Kept) keep() {
	k.take.Lock()
	defer k.take.Unlock()
	k.save()
}

// save writes down what is served, and tries again at the next Take if it
// cannot. A full disk does not stop a revision: it may be a rollback.
func (k *Kept) save() {
	cur := k.Current()
	if k.opt.StateDir == "" || cur.Epoch() == 0 {
		return
	}
	k.statusMu.Lock()
	done := k.status.Saved == cur.Epoch()
	k.statusMu.Unlock()
	if done {
		return
	}
	data, err := cur.def.MarshalFlagd()
	if err == nil {
		err = os.MkdirAll(k.opt.StateDir, 0o700)
	}
	if err == nil {
		err = saveFile(filepath.Join(k.opt.StateDir, LastGood), data)
	}
	k.note(func(s *Status) {
		if err != nil {
			s.SaveError = fmt.Errorf("flags: save the last good flags: %w: check agent.state_dir", err)
			return
		}
		s.Saved, s.SaveError = cur.Epoch(), nil
	})
}
