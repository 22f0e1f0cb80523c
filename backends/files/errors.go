package files

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/seed-41165957/crossfade/backends"
)

// errHeld ends an attempt: somebody else has the flock. It is tried again.
var errHeld = errors.New("backends/files: locked by another process")

// errAbandoned ends an attempt whose caller has left before anything changed.
var errAbandoned = errors.New("backends/files: the caller has left")

// Error is a call that the filesystem refused; nothing was changed, unless a
// backends.Unknown wraps it. It names no session, and ends with what to do.
type Error struct {
	Op   string // what was tried
	Err  error  // usually a syscall.Errno
	Hint string
}

func (e *Error) Error() string {
	return fmt.Sprintf("backends/files: %s: %v: %s", e.Op, e.Err, e.Hint)
}

func (e *Error) Unwrap() error { return e.Err }

var hints = []struct {
	err  unix.Errno
	hint string
}{
	{unix.ENOSPC, "free space or inodes on the filesystem of the session folder: df -h, df -i"},
	{unix.EDQUOT, "raise the quota of the user whom the session files belong to"},
	{unix.EACCES, "run the agent as root or as the user whom the session files belong to"},
	{unix.EPERM, "run the agent as root or as the user whom the session files belong to"},
	{unix.EROFS, "mount the filesystem of the session folder read-write: mount -o remount,rw"},
	{unix.EMFILE, "raise the agent's limit of open files: LimitNOFILE= in its unit"},
	{unix.ENFILE, "raise the host's limit of open files: sysctl fs.file-max"},
	{unix.ENOENT, "make the folder, and its levels where the save path has a depth: PHP's ext/session/mod_files.sh"},
	{unix.EISDIR, "remove the folder that stands in place of a session file"},
	{unix.ENXIO, "remove what stands in place of a session file and is none"},
	{unix.ENOTDIR, "see that the session folder and its levels are folders"},
	{unix.ELOOP, "remove the symbolic link that stands in place of a session file: PHP refuses it too"},
	{unix.EIO, "look at the disk: dmesg"},
	{unix.ESTALE, "mount the network filesystem again"},
	{unix.ENOLCK, "use a filesystem with flock: a local one"},
	{unix.EOPNOTSUPP, "use a local filesystem: ext4, xfs, btrfs or tmpfs"},
}

// failed says what was tried. err must not name a file: it is an errno.
func failed(op string, err error) error {
	hint := "see that the session folder can be used: crossfade check"
	for _, h := range hints {
		if errors.Is(err, h.err) {
			hint = h.hint
			break
		}
	}
	return &Error{op, err, hint}
}

// doubt is the error of a change that the disk refused in its middle: what
// stands is not known, and nothing of it will come later.
func doubt(err error) error {
	if _, unknown := backends.IsUnknown(err); err == nil || unknown {
		return err
	}
	u := backends.NewUnknown(err, "disk", "", nil)
	u.Resolve()
	return u
}

// errForeign is a file that PHP would refuse.
var errForeign = &Error{"open a session", errors.New("the file belongs to another user, or is no file"),
	"set owner to the user that PHP runs as, and remove what does not belong to it"}

// errDamaged is a record that a host without power left half-written. It stands
// in the way of its session alone, until somebody has looked.
var errDamaged = &Error{"read a record", errors.New("it is damaged"),
	"remove what is empty or damaged in gone, marks and locks of " + ownPrefix + "* in the session folder"}

var errHuge = &Error{"read a session", errors.New("the file is larger than 16 MiB"), "remove it, or see what the application puts there"}

// retry repeats what a signal interrupted.
func retry(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}
