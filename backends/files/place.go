package files

import (
	"fmt"
	"strings"

	"github.com/seed-41165957/crossfade/backends"
)

const filePrefix = "sess_" // PHP's FILE_PREFIX

// lockForms are how clients name the lock of session {id}: as the session
// itself, as phpredis, as php-memcached and as php-memcache do. None of what
// they add is in PHP's alphabet, so each names one session.
var lockForms = []struct{ before, after string }{{"", "_LOCK"}, {"lock.", ""}, {"", ".lock"}}

// place is where one key lies: a session in PHP's folder or one of its levels,
// a key of our own in ours.
type place struct {
	id   string // what locks and records are kept by: the session's id or the own key's name
	dir  int    // open folder
	path string // relative to it, without .. and links
	own  bool
}

// place gives ErrKey for all that is neither an id that PHP takes
// (php_session_valid_key: letters, digits, comma and minus; with the prefix at
// most a file name's 255 bytes; longer than the depth) nor a key of our own.
func (s *Store) place(name string) (place, error) {
	if backends.OwnKey(name) {
		if err := backends.CheckKey(backends.Key{Name: name}); err != nil {
			return place{}, err
		}
		file := escape(name)
		if len(file) > 255 {
			return place{}, backends.ErrKey
		}
		return place{name, s.own.keys, file, true}, nil
	}
	if !validID(name, s.path.depth) {
		return place{}, backends.ErrKey
	}
	path := filePrefix + name
	if s.path.depth > 0 {
		var b strings.Builder
		for i := range s.path.depth {
			b.WriteByte(name[i])
			b.WriteByte('/')
		}
		path = b.String() + path
	}
	return place{name, s.dir, path, false}, nil
}

func validID(id string, depth int) bool {
	if len(id) <= depth || len(id) > 255-len(filePrefix) {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == ',', c == '-':
		default:
			return false
		}
	}
	return true
}

// lockPlace is that of the session that a lock is for.
func (s *Store) lockPlace(name string) (place, error) {
	for _, f := range lockForms {
		if id, ok := strings.CutPrefix(name, f.before); ok {
			if id, ok = strings.CutSuffix(id, f.after); ok {
				name = id
				break
			}
		}
	}
	p, err := s.place(name)
	if p.own {
		return place{}, backends.ErrKey
	}
	return p, err
}

// escape writes a name as a file name: percent and two hex digits for all but
// letters, digits, '-', '_' and ':'. (A dot is escaped: no name is "..".)
func escape(name string) string {
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == ':':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

// unescape is the reverse; ok is false for what escape never wrote.
func unescape(file string) (name string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(file); i++ {
		if file[i] != '%' {
			b.WriteByte(file[i])
			continue
		}
		var c byte
		if i+3 > len(file) {
			return "", false
		}
		if _, err := fmt.Sscanf(file[i+1:i+3], "%02x", &c); err != nil {
			return "", false
		}
		b.WriteByte(c)
		i += 2
	}
	return b.String(), escape(b.String()) == file
}
