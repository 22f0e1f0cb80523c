package darklaunch

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// formerMost is how many earlier start ids are kept: marks of lives before
// those stay until they run out.
const formerMost = 32

// stateFile is what an agent keeps over a restart: docs/formats.md, "start.json".
type stateFile struct {
	path string

	// Start is this life's id: 16 hex digits.
	Start string `json:"start"`
	// Former are the ids of earlier lives, the newest first: marks of theirs
	// are ours to remove.
	Former []string `json:"former,omitempty"`
	// Clean is set at the end of a life that left nothing queued, dirty or
	// unknown, and cleared at the start of the next.
	Clean bool `json:"clean"`
	// CleanFrom is the former life that ended cleanly right before this one.
	CleanFrom string `json:"clean_from,omitempty"`
}

func openState(dir string) (stateFile, error) {
	s := stateFile{Start: newStart()}
	if dir == "" {
		return s, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return s, fmt.Errorf("darklaunch: make the state folder: %w", err)
	}
	s.path = filepath.Join(dir, "start.json")
	data, err := os.ReadFile(s.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, fmt.Errorf("darklaunch: read the state of the last life: %w", err)
	}
	if err == nil {
		var last stateFile
		if err := json.Unmarshal(data, &last); err != nil {
			return s, fmt.Errorf("darklaunch: %s is damaged: %w: move it away; sessions that the last life left marked then stay marked until they run out", s.path, err)
		}
		s.Former = append([]string{last.Start}, last.Former...)
		s.Former = s.Former[:min(len(s.Former), formerMost)]
		if last.Clean {
			s.CleanFrom = last.Start
		}
	}
	return s, s.save()
}

// FormerLives are the start ids of the lives before the one that has not begun
// yet, the newest first, by its state folder; none: it is the first, or the folder
// is another. New says so where the file cannot be read.
func FormerLives(dir string) []string {
	if dir == "" {
		return nil
	}
	data, err := os.ReadFile(filepath.Join(dir, "start.json"))
	var last stateFile
	if err != nil || json.Unmarshal(data, &last) != nil {
		return nil
	}
	return append([]string{last.Start}, last.Former...)
}

// NewLife begins a life without a layer, in the place of the one before: its start
// id, and those of the lives before it. It does not end cleanly. An error means
// that the folder does not know of it.
func NewLife(dir string) (start string, former []string, err error) {
	s, err := openState(dir)
	return s.Start, s.Former, err
}

func newStart() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func (s *stateFile) close(clean bool) error {
	if s.path == "" || !clean {
		return nil
	}
	s.Clean = true
	return s.save()
}

// save writes the file whole or not at all.
func (s *stateFile) save() error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(s.path), ".start-*")
	if err != nil {
		return fmt.Errorf("darklaunch: save the agent's state: %w", err)
	}
	defer os.Remove(tmp.Name())
	if _, err = tmp.Write(append(data, '\n')); err == nil {
		err = tmp.Sync()
	}
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), s.path)
	}
	if err != nil {
		return fmt.Errorf("darklaunch: save the agent's state: %w", err)
	}
	dir, err := os.Open(filepath.Dir(s.path))
	if err != nil {
		return fmt.Errorf("darklaunch: save the agent's state: %w", err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}
