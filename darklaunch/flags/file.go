package flags

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// LastGood is the name, in the state folder, of the copy of the last revision
// that was served.
const LastGood = "flags.last-good.json"

// FileOptions are the options of a File; the zero value works.
type FileOptions struct {
	// StateDir is the folder of the last good copy, made if it is not there.
	// Empty: none is kept, and a restart needs the file.
	StateDir string
	// Migration, when set, refuses the flags of any other.
	Migration string
	// Poll is how often the file is looked at. Default 200 ms: a step is
	// acknowledged by people who wait for it, and a stat costs 2 µs.
	Poll time.Duration
}

// File is a Source that reads a flagd file and follows its changes.
//
// What is served changes only to a revision that is whole, well-formed and
// may follow (Next). Otherwise the last good one stays, and Status says why;
// also over a restart, from the copy in StateDir. The file is looked at again
// and again, so putting it right is enough.
type File struct {
	board
	path string
	opt  FileOptions

	load sync.Mutex // one Load at a time; guards the fields below
	seen os.FileInfo
	// digest is of the bytes last tried, so that a refused file is not parsed
	// five times a second.
	digest  [sha256.Size]byte
	tried   bool
	verdict error // on those bytes
	began   bool  // the first Load is over

	statusMu sync.Mutex // guards status; no I/O under it
	status   Status
}

var _ Source = (*File)(nil)

// NewFile makes a File; nothing is read before Load or Run.
func NewFile(path string, opt FileOptions) *File {
	if opt.Poll <= 0 {
		opt.Poll = 200 * time.Millisecond
	}
	f := &File{path: path, opt: opt}
	f.status.LastError = errors.New("flags: not ready: the flag file was not read yet")
	return f
}

// Run follows the file until ctx ends, and returns its cause. Callers that
// want the first revision before they serve call Load first.
func (f *File) Run(ctx context.Context) error {
	t := time.NewTicker(f.opt.Poll)
	defer t.Stop()
	for {
		f.Load() // its error is in Status
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-t.C:
		}
	}
}

// Status says how the file is.
func (f *File) Status() Status {
	f.statusMu.Lock()
	defer f.statusMu.Unlock()
	s := f.status
	cur := f.Current()
	s.Ready, s.Epoch = cur != nil, cur.Epoch()
	return s
}

func (f *File) note(change func(*Status)) {
	f.statusMu.Lock()
	defer f.statusMu.Unlock()
	change(&f.status)
}

// Load looks at the file once. The error, also in Status, says why what is
// served is not what the file says; nil means that it is.
func (f *File) Load() error {
	f.load.Lock()
	defer f.load.Unlock()
	var saved *Snapshot
	if !f.began {
		saved = f.saved()
	}
	err := f.look(saved)
	if f.began = true; f.Current() == nil && saved != nil {
		f.put(saved)
	}
	if err != nil && f.Current() == nil {
		err = fmt.Errorf("flags: not ready: no revision is known: %w", err)
	}
	f.note(func(s *Status) {
		s.LastError = err
		if err == nil {
			s.LastContact = time.Now()
		}
	})
	f.save()
	return err
}

// racy is how young a file's time may be when its content is read again even
// if nothing seems to have changed: file systems stamp in steps of up to 2 s.
const racy = 3 * time.Second

// look reads the file if it may have changed. saved is what an earlier process
// served last, on the first look only: nobody serves yet, so the file may have
// gone on from there by more than a step.
func (f *File) look(saved *Snapshot) error {
	info, err := os.Stat(f.path)
	if err != nil {
		f.seen, f.tried = nil, false
		return fmt.Errorf("flags: flag file: %w: put it back, or check flags.file", err)
	}
	if f.seen != nil && f.tried && os.SameFile(f.seen, info) && f.seen.Size() == info.Size() &&
		f.seen.ModTime().Equal(info.ModTime()) && time.Since(info.ModTime()) > racy {
		return f.verdict
	}
	data, err := readUpTo(f.path, MaxFile+1)
	if err != nil {
		f.seen, f.tried = nil, false
		return fmt.Errorf("flags: flag file: %w", err)
	}
	f.seen = info
	sum := sha256.Sum256(data)
	if f.tried && sum == f.digest {
		return f.verdict
	}
	f.digest, f.tried, f.verdict = sum, true, f.take(data, saved)
	return f.verdict
}

func (f *File) take(data []byte, saved *Snapshot) error {
	n, err := f.parse(data)
	if err != nil {
		return err
	}
	cur := f.Current()
	switch {
	case cur == nil && saved != nil:
		err = saved.Resume(n)
	case cur == nil:
	case cur.Epoch() == n.Epoch() && cur.same(n): // written again, as it was
		return nil
	default:
		err = cur.Next(n)
	}
	if err != nil {
		return err
	}
	f.put(n)
	return nil
}

func (f *File) parse(data []byte) (*Snapshot, error) {
	n, err := Parse(data)
	if err != nil {
		return nil, err
	}
	if want := f.opt.Migration; want != "" && n.Migration() != want {
		return nil, fmt.Errorf("flags: the file is of migration %q, this agent serves %q: check flags.file", n.Migration(), want)
	}
	return n, nil
}

// saved reads the last good copy; nil if there is none that can be served.
func (f *File) saved() *Snapshot {
	if f.opt.StateDir == "" {
		return nil
	}
	data, err := readUpTo(filepath.Join(f.opt.StateDir, LastGood), MaxFile+1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var n *Snapshot
	if err == nil {
		n, err = f.parse(data)
	}
	if err != nil {
		f.note(func(s *Status) { s.SaveError = fmt.Errorf("flags: saved copy %s: %w", LastGood, err) })
		return nil
	}
	f.note(func(s *Status) { s.Saved = n.Epoch() })
	return n
}

// save writes down what is served, and tries again at the next Load if it
// cannot. A full disk does not stop a revision: it may be a rollback.
func (f *File) save() {
	cur := f.Current()
	if f.opt.StateDir == "" || cur == nil {
		return
	}
	f.statusMu.Lock()
	done := f.status.Saved == cur.Epoch()
	f.statusMu.Unlock()
	if done {
		return
	}
	data, err := cur.def.MarshalFlagd()
	if err == nil {
		err = os.MkdirAll(f.opt.StateDir, 0o700)
	}
	if err == nil {
		err = saveFile(filepath.Join(f.opt.StateDir, LastGood), data)
	}
	f.note(func(s *Status) {
		if err != nil {
			s.SaveError = fmt.Errorf("flags: save the last good flags: %w: check agent.state_dir", err)
			return
		}
		s.Saved, s.SaveError = cur.Epoch(), nil
	})
}

func readUpTo(path string, n int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var b bytes.Buffer
	_, err = io.Copy(&b, io.LimitReader(file, n))
	return b.Bytes(), err
}
