package access

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

const rollHead = "# Who may use the console and the API of crossfade server: crossfade users edits this file.\n# Passwords are here as bcrypt, tokens as SHA-256. Mode 0600.\n"

// EditRoll changes the file of people, or makes it, mode 0600. What change
// refuses is not written. Who reads meanwhile sees the file whole, as it was or
// as it becomes; two who edit at once are told apart, and the second is refused.
func EditRoll(path string, change func(*Roll) error) error {
	// The name is the lock: whoever makes it edits.
	next := path + ".new"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("access: people: %s is there: somebody else edits; remove it if nobody does", next)
	}
	if err != nil {
		return fmt.Errorf("access: people: %w", err)
	}
	defer os.Remove(next) // gone already where it became the file
	defer f.Close()
	r, err := ReadRoll(path)
	if errors.Is(err, fs.ErrNotExist) {
		r, err = &Roll{}, nil
	}
	if err != nil {
		return err
	}
	if err := change(r); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return fmt.Errorf("access: people: %w", err)
	}
	b := bytes.NewBufferString(rollHead)
	e := yaml.NewEncoder(b)
	e.SetIndent(2)
	if err := errors.Join(e.Encode(r), e.Close()); err != nil {
		return fmt.Errorf("access: people: %w", err)
	}
	_, err = f.Write(b.Bytes())
	if err = errors.Join(err, f.Sync()); err != nil {
		return fmt.Errorf("access: people: %w", err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("access: people: %w", err)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("access: people: %w", err)
	}
	defer dir.Close()
	return dir.Sync()
}
