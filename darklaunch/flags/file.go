package flags

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// FileOptions are the options of a File; the zero value works.
type FileOptions struct {
	// StateDir is the folder of the last good copy, made if it is not there.
	// Empty: none is kept, and a restart needs the file.
	StateDir string
	// Migration, when set, refuses the flags of any other.
	Migration string
	Agent     string // see KeptOptions
	// Poll is how often the file is looked at. Default 200 ms: a step is
	// acknowledged by people who wait for it, and a stat costs 2 µs.
	Poll time.Duration
}

// File reads a flagd file, follows its changes, and gives them to a Kept: a
// Source, which other channels may feed too.
//
// What is served changes only to a revision that is whole, well-formed and
// may follow (Next). Otherwise the last good one stays, and Status says why;
// also over a restart, from the copy in StateDir. The file is looked at again
// and again, so putting it right is enough.
type File struct {
	*Kept
	path string
	poll time.Duration

	load sync.Mutex // one Load at a time; guards the fields below
	seen os.FileInfo
	// digest is of the bytes last tried, and under what was served then, so that
	// a refused file is not parsed five times a second.
	digest  [sha256.Size]byte
	under   *Snapshot
	tried   bool
	verdict error // on those bytes
}

var _ Source = (*File)(nil)

// NewFile makes a File with a Kept of its own; nothing is read before Load or
// Run.
func NewFile(path string, opt FileOptions) *File {
	if opt.Poll <= 0 {
		opt.Poll = 200 * time.Millisecond
	}
	f := &File{Kept: NewKept(KeptOptions{StateDir: opt.StateDir, Migration: opt.Migration, Agent: opt.Agent}), path: path, poll: opt.Poll}
	f.fail(FromFile, errors.New("flags: not ready: the flag file was not read yet"))
	return f
}

// Run follows the file until ctx ends, and returns its cause. Callers that
// want the first revision before they serve call Load first.
func (f *File) Run(ctx context.Context) error {
	t := time.NewTicker(f.poll)
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

// Load looks at the file once, and lets the Kept begin: whatever else is to be
// known at the start is given before the first Load. The error, also in Status,
// says why what is served is not what the file says; nil means that it is.
func (f *File) Load() error {
	f.load.Lock()
	defer f.load.Unlock()
	err := f.look()
	f.Begin()
	if err != nil && f.Current() == nil {
		err = fmt.Errorf("flags: not ready: no revision is known: %w", err)
	}
	f.fail(FromFile, err)
	f.keep()
	return err
}

// racy is how young a file's time may be when its content is read again even
// if nothing seems to have changed: file systems stamp in steps of up to 2 s.
const racy = 3 * time.Second

// look reads the file if it may have changed.
func (f *File) look() error {
	info, err := os.Stat(f.path)
	if err != nil {
		f.seen, f.tried = nil, false
		return fmt.Errorf("flags: flag file: %w: put it back, or check flags.file", err)
	}
	tried := f.tried && f.under == f.Current()
	if f.seen != nil && tried && os.SameFile(f.seen, info) && f.seen.Size() == info.Size() &&
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
	if tried && sum == f.digest {
		return f.verdict
	}
	f.verdict = f.Take(data, FromFile)
	f.digest, f.under, f.tried = sum, f.Current(), true
	return f.verdict
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
