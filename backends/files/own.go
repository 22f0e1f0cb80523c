package files

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

var migrationName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

const ownPrefix = ".crossfade-"

// ownDir is our own folder, .crossfade-<migration>, and those in it.
type ownDir struct {
	base    int
	keys    int // keys of our own: as sessions, under escaped names
	temps   int // files that are being written
	stripes int // flocks among Crossfade's processes
	gone    int // tombstones
	marks   int
	locks   int
}

func (o *ownDir) folders() map[string]*int {
	return map[string]*int{"keys": &o.keys, "tmp": &o.temps, "stripes": &o.stripes, "gone": &o.gone, "marks": &o.marks, "locks": &o.locks}
}

func openDir(at int, path string) (fd int, err error) {
	err = retry(func() (err error) {
		fd, err = unix.Openat(at, path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err == unix.EACCES { // 1733: may be used, not listed (Scan says so)
			fd, err = unix.Openat(at, path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		}
		return err
	})
	if err != nil {
		return -1, err
	}
	return fd, nil
}

func openOwn(dir int, migration string) (o ownDir, err error) {
	o.base = -1
	for _, fd := range o.folders() {
		*fd = -1
	}
	if !migrationName.MatchString(migration) {
		return o, errors.New("backends/files: Migration: give 1 to 32 of a-z, 0-9 and -")
	}
	if o.base, err = makeDir(dir, ownPrefix+migration); err != nil {
		return o, err
	}
	for name, fd := range o.folders() {
		if *fd, err = makeDir(o.base, name); err != nil {
			return o, err
		}
	}
	return o, nil
}

// makeDir opens a folder of our own. Somebody else's is refused: in a folder
// that all may write to (Debian's, 1733) anybody could have put it there.
func makeDir(at int, name string) (int, error) {
	err := unix.Mkdirat(at, name, 0o700)
	if err != nil && err != unix.EEXIST {
		return -1, failed("make our own folder", err)
	}
	fd, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, failed("open our own folder", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || int(st.Uid) != os.Geteuid() {
		unix.Close(fd)
		return -1, &Error{"open our own folder", errors.New("it belongs to another user"),
			"run every Crossfade process of this host as one user, or remove " + ownPrefix + "* from the session folder"}
	}
	return fd, nil
}

func (o *ownDir) close() {
	for _, fd := range o.folders() {
		if *fd > 0 {
			unix.Close(*fd)
		}
	}
	if o.base > 0 {
		unix.Close(o.base)
	}
}

// recordName is the name of a record beside session id.
func recordName(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

// load reads a record; found is false where there is none. One that cannot be
// read is an error: to take it for absent would bring a deleted session back.
func load(dir int, name string, v any) (found bool, err error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return false, nil
	}
	if err != nil {
		return false, failed("open a record", err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return false, failed("look at a record", err)
	}
	b, err := readAll(fd, int(min(st.Size, maxRead)))
	if err != nil {
		return false, failed("read a record", err)
	}
	if json.Unmarshal(b, v) != nil {
		return false, errDamaged
	}
	return true, nil
}

// save writes a record: a temporary file, then a rename.
func (o *ownDir) save(dir int, name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	tmp := tempName()
	fd, err := unix.Openat(o.temps, tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return failed("make a record", err)
	}
	err = writeAll(fd, b, 0)
	err = errors.Join(err, unix.Close(fd))
	if err == nil {
		err = unix.Renameat(o.temps, tmp, dir, name)
	}
	if err != nil {
		unix.Unlinkat(o.temps, tmp, 0)
		return failed("write a record", err)
	}
	return nil
}

func drop(dir int, name string) error {
	if err := unix.Unlinkat(dir, name, 0); err != nil && err != unix.ENOENT {
		return failed("remove a record", err)
	}
	return nil
}

// runID changes when the folder was emptied or the host restarted: what was
// written shortly before may then be lost, marks too.
func (o *ownDir) runID() (string, error) {
	var id string
	if found, err := load(o.base, "id", &id); err != nil {
		return "", err
	} else if !found {
		if err := o.save(o.base, "id", tempName()); err != nil {
			return "", err
		}
		if _, err := load(o.base, "id", &id); err != nil { // two may make it at once
			return "", err
		}
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", errors.New("read the boot id: is /proc mounted?")
	}
	return recordName(id + strings.TrimSpace(string(boot)))[:32], nil
}
