package files

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxDepth is far more levels than anybody has: 64^8 folders.
const maxDepth = 8

// savePath is PHP's session.save_path taken apart.
type savePath struct {
	dir   string // absolute
	depth int
	mode  uint32
}

// parseSavePath reads "/dir", "N;/dir" or "N;MODE;/dir", MODE in octal, as
// PHP does (PS_OPEN_FUNC in ext/session/mod_files.c). PHP's strtol takes what
// is no number for zero; that is an error here.
func parseSavePath(text string) (savePath, error) {
	bad := func(what string) (savePath, error) {
		return savePath{}, fmt.Errorf("backends/files: save path %q: %s: give PHP's session.save_path: /dir, N;/dir or N;MODE;/dir", text, what)
	}
	parts := strings.SplitN(text, ";", 3)
	p := savePath{dir: parts[len(parts)-1], mode: 0o600}
	if !filepath.IsAbs(p.dir) {
		return bad("the folder must be an absolute path")
	}
	if len(parts) > 1 {
		n, err := strconv.Atoi(parts[0])
		if err != nil || n < 0 || n > maxDepth {
			return bad(fmt.Sprintf("the depth must be 0 to %d", maxDepth))
		}
		p.depth = n
	}
	if len(parts) > 2 {
		m, err := strconv.ParseUint(parts[1], 8, 32)
		if err != nil || m > 0o777 || m&0o600 != 0o600 {
			return bad("the mode must be octal and let its owner read and write, as 0600")
		}
		p.mode = uint32(m)
	}
	p.dir = filepath.Clean(p.dir)
	return p, nil
}

// CheckSavePath tells what is wrong with a save path, looking at nothing.
func CheckSavePath(text string) error {
	_, err := parseSavePath(text)
	return err
}

// owner is whom session files belong to.
type owner struct{ uid, gid int }

func findOwner(name string, dir int) (owner, error) {
	if name != "" {
		u, err := user.Lookup(name)
		if _, notNumber := strconv.Atoi(name); err != nil && notNumber == nil {
			u, err = user.LookupId(name)
		}
		if err != nil {
			return owner{}, fmt.Errorf("backends/files: owner %q: no such user: name the one PHP runs as", name)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		if me := os.Geteuid(); me != 0 && me != uid {
			return owner{}, fmt.Errorf("backends/files: owner %q: this process runs as user %d and cannot give files away: run it as that user or as root", name, me)
		}
		return owner{uid, gid}, nil
	}
	if me := os.Geteuid(); me != 0 {
		return owner{me, os.Getegid()}, nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(dir, &st); err != nil {
		return owner{}, failed("look at the session folder", err)
	}
	return owner{int(st.Uid), int(st.Gid)}, nil
}

// mayUse is PHP's rule (ps_files_open): a session file belongs to the user
// that PHP runs as, or to root; else another application's sessions, or a file
// that somebody planted, would be taken for ours.
func (o owner) mayUse(st *unix.Stat_t) bool { return st.Uid == 0 || int(st.Uid) == o.uid }
