// Package files keeps a migration's book in files beside the flag file: one for
// each page, replaced whole; the kernel's file locks, which end with the
// process, also while it is stopped; a log file.
//
//	b := files.New("state/flags.json")
//
// All processes that use one book run on one host: file locks do not reach
// further (NFS promises less; flock(2), "NFS details").
package files

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/seed-41165957/crossfade/migrate/book"
)

// Book is a book.Book beside a flag file.
type Book struct {
	path string
	mu   sync.Mutex // one Append at a time in this process
}

var _ book.Book = (*Book)(nil)

// New makes the book whose page of flags is the file at path; the others stand
// beside it, under its name with their own as a suffix. It touches nothing.
func New(path string) *Book { return &Book{path: filepath.Clean(path)} }

func (b *Book) page(name string) string {
	if name == book.Flags {
		return b.path
	}
	return b.path + "." + name
}

// Where is the name of a page's file.
func (b *Book) Where(page string) string { return filepath.Base(b.page(page)) }

// Close has nothing to free.
func (b *Book) Close() error { return nil }

// Load reads a page.
func (b *Book) Load(_ context.Context, page string) ([]byte, error) {
	data, err := os.ReadFile(b.page(page))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && data == nil {
		data = []byte{}
	}
	return data, err
}

// Save replaces a page.
func (b *Book) Save(_ context.Context, by book.Lock, page string, data []byte) error {
	if l, ok := by.(*lock); !ok || l.gone() {
		return book.ErrLost
	}
	if err := Replace(b.page(page), data); err != nil {
		return fmt.Errorf("%w: run this where %s may be written", err, b.Where(page))
	}
	return nil
}

// TryLock takes a lock.
func (b *Book) TryLock(_ context.Context, name string) (book.Lock, error) {
	path := b.path + "." + name + ".lock"
	switch name { // as they have always been called
	case book.Publish:
		path = b.path + ".lock"
	case book.Copy:
		path = b.path + ".copier.lock"
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock: %w: run this where %s may be written", err, b.Where(book.Flags))
	}
	ok, err := tryLock(f)
	if err != nil {
		err = fmt.Errorf("lock: %w", err)
	}
	if !ok {
		f.Close()
		return nil, err
	}
	return &lock{f: f, lost: make(chan struct{})}, nil
}

type lock struct {
	f    *os.File
	once sync.Once
	lost chan struct{}
}

func (l *lock) Lost() <-chan struct{} { return l.lost }

func (l *lock) Release() {
	l.once.Do(func() {
		close(l.lost)
		l.f.Close()
	})
}

func (l *lock) gone() bool {
	select {
	case <-l.lost:
		return true
	default:
		return false
	}
}

const logSuffix = ".audit"

// Append adds a line to the log. A line that a crash cut short is ended first.
func (b *Book) Append(_ context.Context, line []byte) (err error) {
	if bytes.ContainsRune(line, '\n') {
		return errors.New("book: a line of the log has a line break")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	f, err := os.OpenFile(b.path+logSuffix, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("%w: run this where %s may be written", err, b.Where(book.Flags))
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if n, err := f.Seek(0, io.SeekEnd); err == nil && n > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, n-1); err == nil && last[0] != '\n' {
			line = append([]byte("\n"), line...)
		}
	}
	if _, err = f.Write(append(bytes.Clone(line), '\n')); err != nil {
		return err
	}
	return f.Sync()
}

// Lines reads the log.
func (b *Book) Lines(_ context.Context, from, most int) (lines [][]byte, err error) {
	f, err := os.Open(b.path + logSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	for n := 0; len(lines) < most; n++ {
		line, err := r.ReadBytes('\n')
		if len(line) > 0 && n >= from {
			lines = append(lines, bytes.TrimSuffix(line, []byte("\n")))
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return lines, nil
}

// Replace replaces the file at path by data: after a crash at any moment the old
// bytes or the new ones are there whole. The mode of what is there stays: agents
// of other users may read it.
func Replace(path string, data []byte) error {
	mode := fs.FileMode(0o644) // hashes and numbers: no secret
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(mode)); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
