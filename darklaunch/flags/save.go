package flags

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// saveFile replaces path by data so that after a crash at any moment the old
// bytes or the new ones are there whole: temporary file, fsync, rename, fsync
// of the folder. Mode 0600.
func saveFile(path string, data []byte) error {
	return place(path, data, os.Rename)
}

// createFile is saveFile that never replaces: os.ErrExist when somebody was
// first. A hard link is the one step that is atomic and does not overwrite.
func createFile(path string, data []byte) error {
	return place(path, data, os.Link)
}

func place(path string, data []byte, put func(tmp, path string) error) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // CreateTemp gives 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already after a rename
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	if err = put(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
