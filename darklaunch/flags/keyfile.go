package flags

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// LoadOrCreateKey reads the hash key from a file, 64 hex digits and a newline,
// and makes the file with a random key if there is none: mode 0600, whole or
// not at all, and when two processes start at once both get the one key. All
// agents of a migration need the same file; Digest shows whether they have it.
func LoadOrCreateKey(path string) (*Hasher, error) {
	h, err := LoadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return h, err
	}
	var key [KeySize]byte
	rand.Read(key[:]) // never fails (crypto/rand)
	err = createFile(path, []byte(hex.EncodeToString(key[:])+"\n"))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("flags: make hash key: %w: check the folder of agent.key_file", err)
	}
	return LoadKey(path)
}

// LoadKey reads the hash key from a file. The error wraps fs.ErrNotExist when
// there is none, and never shows the content.
func LoadKey(path string) (*Hasher, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("flags: hash key: %w: copy the fleet's key there, or let the first agent make it", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("flags: hash key %s may be read by others (%v): chmod 600 it", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("flags: hash key: %w", err)
	}
	key, err := hex.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || len(key) != KeySize {
		return nil, fmt.Errorf("flags: hash key %s is damaged: accepted are 64 hex digits; copy it from another agent", path)
	}
	return NewHasher(key)
}
