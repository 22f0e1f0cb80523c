// Package files is the session store over the folder of PHP's own files
// handler, for a host on which PHP processes may still use that handler
// natively beside the agent (Linux; tried with PHP 8.2 on ext4 and tmpfs).
//
//	s, err := files.New(files.Options{
//		SavePath: "/var/lib/php/sessions", MaxLifetime: 24 * time.Minute, Migration: "sessions", Owner: "www-data",
//	})
//	defer s.Close()
//	got, found, err := s.Get(ctx, backends.Key{Name: "5qg2bmh3dqlq4v0h9u5q7l3c1k"})
//
// It promises every ability of package backends. A session is the file
// sess_<id>, as PHP writes it; its deadline is the file's mtime and
// MaxLifetime. PHP holds flock(LOCK_EX) on the file for its whole request
// (ext/session/mod_files.c, ps_files_open), so every call of the store takes
// the flock, and waits for it until its context ends: then the error is the
// context's, and nothing was changed.
//
// A file that is there is written in place, as PHP does: PHP waits for the
// flock on an open file and does not look again whether the name still leads to
// it, so a rename would leave it with a file that nobody reads. A file that is
// not there appears complete, by rename. Only Delete, Bury, Undo and a write
// whose deadline is past take a file away, as PHP's session_destroy does.
// Nothing is synced to the disk, as PHP does not: a session survives a killed
// process, not a machine without power. An agent killed in the middle of a
// write of more than one page may leave a mixture, as PHP killed there does.
//
// An empty file is an empty session, as PHP leaves for an abandoned start. A
// claim (see backends.Guarder), and the file that a lock needs where there is
// no session, is empty too, and told apart by the nanoseconds of its mtime
// (claimNanos), which PHP's next write or touch replaces. PHP reads a claim as
// the empty session that it would itself have made; under use_strict_mode it
// takes the claim's id for one that exists. PHP's collector removes it.
//
// What is Crossfade's own lies in .crossfade-<migration> in the same folder,
// which PHP's collector and Debian's cron job (find -name 'sess_*') pass over.
// docs/formats.md has the forms.
//
// All Crossfade processes of the host that use the folder must have the same
// Migration. A lock's flock belongs to the process that granted it: calls of
// another process for that session wait until it is given back.
package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-41165957/crossfade/backends"
)

// Options of a store. SavePath, MaxLifetime and Migration are required.
type Options struct {
	// SavePath is PHP's session.save_path: "/dir", "N;/dir" or "N;MODE;/dir".
	// With N, 0 to 8, the first N characters of an id are levels of folders,
	// which neither PHP nor the store makes.
	SavePath string
	// MaxLifetime is PHP's session.gc_maxlifetime: a file ends that long after
	// its mtime. One second at least.
	MaxLifetime time.Duration
	// Migration names the folder of what is ours: [a-z0-9-]{1,32}.
	Migration string
	// Owner is the user whom new files belong to: the one PHP runs as, by name
	// or number. PHP refuses files of others than itself and root, so the store
	// does too. Another owner than the process needs CAP_CHOWN. Empty: the
	// process's own user, or where that is root the owner of the folder.
	Owner string
	// MaxData bounds what is written. Zero means backends.MaxData.
	MaxData int
	// Workers is how many calls may be at the disk at once. Zero means 64.
	// While half of them are parked, new calls get backends.ErrBusy.
	Workers int
}

// Store is a folder of session files.
type Store struct {
	opts  Options
	path  savePath
	owner owner
	dir   int // the folder, open; unix.Openat starts here
	own   ownDir
	runID string
	fs    string // the filesystem's name

	stripes [stripeCount]stripe
	slots   chan struct{} // one in it for each call at the disk
	left    atomic.Int64  // calls at the disk whose callers have gone …
	parked  atomic.Int64  // … and of these, those of unknown outcome
	calls   atomic.Uint64
	running sync.WaitGroup
	closed  atomic.Bool
	stop    chan struct{} // closed by Close

	sweeping sync.Mutex
	swept    int      // guarded by sweeping: the folder that is swept …
	cursor   *os.File // … and how far; nil: the next one's turn

	mu   sync.Mutex
	held map[string]*held // guarded by mu: locks that this process holds, by id

	stall func(state int) // for tests: a disk that does not answer, asked while looking and when changing
}

var (
	_ backends.Store        = (*Store)(nil)
	_ backends.Reader       = (*Store)(nil)
	_ backends.Toucher      = (*Store)(nil)
	_ backends.Adder        = (*Store)(nil)
	_ backends.Guarder      = (*Store)(nil)
	_ backends.BatchGuarder = (*Store)(nil)
	_ backends.Tombstoner   = (*Store)(nil)
	_ backends.Marker       = (*Store)(nil)
	_ backends.Locker       = (*Store)(nil)
	_ backends.Scanner      = (*Store)(nil)
	_ backends.BatchReader  = (*Store)(nil)
	_ backends.FlagKeeper   = (*Store)(nil)
	_ backends.Healther     = (*Store)(nil)
	_ backends.HostScoped   = (*Store)(nil)
	_ io.Closer             = (*Store)(nil)
)

// New opens the folder and makes our own in it. It takes the flocks of locks
// that an earlier process granted and that have not run out. It fails, with
// what to do, where the folder is missing or may not be used, and on a
// filesystem whose times cannot tell two writes apart.
func New(opts Options) (*Store, error) {
	path, err := parseSavePath(opts.SavePath)
	if err != nil {
		return nil, err
	}
	if opts.MaxLifetime < time.Second {
		return nil, fmt.Errorf("backends/files: MaxLifetime is %v: give PHP's session.gc_maxlifetime, 1s at least", opts.MaxLifetime)
	}
	if opts.MaxData <= 0 {
		opts.MaxData = backends.MaxData
	}
	if opts.Workers <= 0 {
		opts.Workers = 64
	}
	s := &Store{opts: opts, path: path, slots: make(chan struct{}, opts.Workers), stop: make(chan struct{}), held: map[string]*held{}}
	for i := range s.stripes {
		s.stripes[i] = stripe{turn: make(chan struct{}, 1), fd: -1}
	}
	if s.dir, err = openDir(unix.AT_FDCWD, path.dir); err != nil {
		return nil, failed("open the session folder "+path.dir, err)
	}
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) open() (err error) {
	if s.owner, err = findOwner(s.opts.Owner, s.dir); err != nil {
		return err
	}
	if s.own, err = openOwn(s.dir, s.opts.Migration); err != nil {
		return err
	}
	if s.fs, err = fileSystem(s.dir); err != nil {
		return failed("look at the filesystem", err)
	}
	if err := s.probe(); err != nil {
		return err
	}
	if s.runID, err = s.own.runID(); err != nil {
		return failed("make the folder's id", err)
	}
	return s.takeLocks()
}

// Close gives back the flocks of locks; their records stay, so that nobody is
// granted one before its time. Calls after it get backends.ErrClosed. What is
// at the disk may take up to a second to end; what takes longer keeps its file
// descriptors.
func (s *Store) Close() error {
	s.mu.Lock()
	closed := s.closed.Swap(true)
	s.mu.Unlock()
	if closed {
		return nil
	}
	close(s.stop)
	ended := make(chan struct{})
	go func() { s.running.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(time.Second):
		return nil
	}
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	if s.cursor != nil {
		s.cursor.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.held {
		h.timer.Stop()
		unix.Close(h.fd)
	}
	clear(s.held)
	for i := range s.stripes {
		if s.stripes[i].fd >= 0 {
			unix.Close(s.stripes[i].fd)
		}
	}
	s.own.close()
	if s.dir >= 0 {
		unix.Close(s.dir)
	}
	return nil
}

// start counts one thing that Close waits for.
func (s *Store) start() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return false
	}
	s.running.Add(1)
	return true
}

// enter is what every call begins with.
func (s *Store) enter(ctx context.Context, ks ...backends.Key) error {
	if s.closed.Load() {
		return backends.ErrClosed
	}
	for _, k := range ks {
		if _, err := s.place(k.Name); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// enterData is enter for a write of data.
func (s *Store) enterData(ctx context.Context, sess backends.Session) error {
	if err := s.enter(ctx, sess.Key); err != nil {
		return err
	}
	if len(sess.Data) > s.opts.MaxData {
		return backends.ErrTooLarge
	}
	return nil
}

// KeepsFlags is false: a file has no room for them.
func (s *Store) KeepsFlags() bool { return false }

// HostScoped is true: each host has its own folder.
func (s *Store) HostScoped() bool { return true }
