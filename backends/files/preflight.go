package files

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Finding is one thing that Preflight looked at.
type Finding struct {
	Name  string
	OK    bool
	Found string
	Want  string
	Mend  string // the command, or the line of the configuration, that puts it right
}

// Preflight looks whether the folder is as a migration needs it, before
// anything moves. It changes nothing but for making our own folder. No finding
// names a session.
func Preflight(ctx context.Context, opts Options) []Finding {
	use := Finding{Name: "folder", Want: "a local folder that PHP and this process may use"}
	s, err := New(opts)
	if err != nil {
		use.Found = err.Error()
		use.Mend = "correct files.dir, files.max_lifetime and files.owner"
		var e *Error
		if errors.As(err, &e) {
			use.Mend = e.Hint
		}
		return []Finding{use}
	}
	defer s.Close()
	use.OK, use.Found = true, fmt.Sprintf("%s on %s, sessions end %v after their last change", s.path.dir, s.fs, opts.MaxLifetime)
	return []Finding{use, s.checkListing(ctx), s.checkOwner(ctx), s.checkLevels(), s.checkCleaner("/")}
}

func (s *Store) checkListing(ctx context.Context) Finding {
	f := Finding{Name: "listing", OK: true, Found: "allowed", Want: "that backfill may list the folder"}
	err := s.Scan(ctx, "", func([]string) error { return context.Canceled }) // one batch is enough
	if err != nil && !errors.Is(err, context.Canceled) {
		f.OK, f.Found, f.Mend = false, err.Error(), "run the agent as root (User=root in its unit), or chmod o+r "+s.path.dir
	}
	return f
}

// checkOwner compares the owner of new files with those of the first files that
// PHP has made.
func (s *Store) checkOwner(ctx context.Context) Finding {
	f := Finding{Name: "owner", Want: "the user that PHP runs as"}
	others := map[uint32]int{}
	enough := errors.New("enough")
	err := s.list(ctx, s.dir, ".", func(dir int, file string) (string, bool) {
		var st unix.Stat_t
		if strings.HasPrefix(file, filePrefix) && unix.Fstatat(dir, file, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && !s.owner.mayUse(&st) {
			others[st.Uid]++
		}
		return "", true
	}, func([]string) error { return enough })
	f.Found = "new files belong to " + userName(s.owner.uid)
	if err != nil && err != enough {
		f.OK, f.Found = true, f.Found+"; whom PHP's own belong to cannot be seen"
		return f
	}
	for uid := range others {
		f.Found += ", and PHP's own to " + userName(int(uid))
		f.Mend = "files: {owner: " + userName(int(uid)) + "}"
	}
	if len(others) == 0 && s.owner.uid == 0 && s.opts.Owner == "" {
		f.Found += ": PHP that does not run as root could not open them"
		f.Mend = "files: {owner: www-data}, or the user that PHP runs as: ps -o user= -C php-fpm8.2"
	}
	f.OK = f.Mend == ""
	return f
}

func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}

// checkLevels wants the folders of the first level that every kind of id needs;
// with session.sid_bits_per_character of 5 or 6 there are more.
func (s *Store) checkLevels() Finding {
	f := Finding{Name: "levels", OK: true, Found: "none", Want: "a folder for each character that ids may begin with"}
	if s.path.depth == 0 {
		return f
	}
	missing := 0
	for _, c := range "0123456789abcdef" {
		var st unix.Stat_t
		path := strings.Repeat(string(c)+"/", s.path.depth)
		if unix.Fstatat(s.dir, path, &st, 0) != nil {
			missing++
		}
	}
	if f.Found = fmt.Sprintf("%d deep", s.path.depth); missing > 0 {
		f.OK, f.Found = false, fmt.Sprintf("%d deep, and some are missing", s.path.depth)
		f.Mend = fmt.Sprintf("ext/session/mod_files.sh %s %d 5 (from PHP's source; 5: session.sid_bits_per_character)", s.path.dir, s.path.depth)
	}
	return f
}

// checkCleaner tells who removes what has ended. Debian's job goes by the ctime
// (find -cmin), so it removes what the store gave a later deadline than
// MaxLifetime from now; a migration never does, as PHP cannot ask for it.
func (s *Store) checkCleaner(root string) Finding {
	f := Finding{Name: "cleaner", OK: true, Want: "somebody who removes what has ended", Found: "PHP's collector (session.gc_probability), if it is on"}
	lib := filepath.Join(root, "usr/lib/php/sessionclean")
	_, err := os.Stat(lib)
	_, cron := os.Stat(filepath.Join(root, "etc/cron.d/php"))
	_, timer := os.Stat(filepath.Join(root, "lib/systemd/system/phpsessionclean.timer"))
	switch {
	case err == nil && (cron == nil || timer == nil) && strings.HasPrefix(s.path.dir, "/var/lib/php/"):
		f.Found = fmt.Sprintf("Debian's job, which removes a session %v after its last change, whatever its deadline", s.opts.MaxLifetime.Truncate(time.Minute))
	case s.path.depth > 0:
		f.OK, f.Found = false, "nobody known: PHP's collector does not look into levels"
		f.Mend = fmt.Sprintf("a cron job: find %s -name 'sess_*' -type f -mmin +%d -delete", s.path.dir, int(s.opts.MaxLifetime.Minutes())+1)
	}
	return f
}
