package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"
)

const (
	idleMost = 30 * time.Minute
	liveMost = 12 * time.Hour
	// sessionsMost and perPerson bound the table: past them the one that was idle
	// longest ends, of the same person first.
	sessionsMost, perPerson = 1000, 16
)

// sum is of what a browser holds: the server keeps nothing that opens anything.
type sum = [sha256.Size]byte

// signedIn is one browser.
type signedIn struct {
	name     string
	password string // its bcrypt: with another one the sign-in is over
	began    time.Time
	last     time.Time
}

func (s *signedIn) over(now time.Time) bool {
	return now.Sub(s.last) >= idleMost || now.Sub(s.began) >= liveMost
}

// sessions are the browsers that are signed in, in memory alone.
type sessions struct {
	clock func() time.Time

	mu sync.Mutex // guards by
	by map[sum]*signedIn
}

// begin makes a session of 256 random bits, and ends the one that the browser
// had.
func (t *sessions) begin(p *Person, had string) (secret string) {
	b := make([]byte, 32)
	rand.Read(b)
	secret = base64.RawURLEncoding.EncodeToString(b)
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock()
	delete(t.by, sha256.Sum256([]byte(had)))
	mine := 0
	for k, s := range t.by {
		if s.over(now) {
			delete(t.by, k)
		} else if s.name == p.Name {
			mine++
		}
	}
	if mine >= perPerson {
		t.endIdlest(func(s *signedIn) bool { return s.name == p.Name })
	} else if len(t.by) >= sessionsMost {
		t.endIdlest(func(*signedIn) bool { return true })
	}
	t.by[sha256.Sum256([]byte(secret))] = &signedIn{name: p.Name, password: p.Password, began: now, last: now}
	return secret
}

// endIdlest makes room. t.mu is held.
func (t *sessions) endIdlest(of func(*signedIn) bool) {
	var worst sum
	var at *signedIn
	for k, s := range t.by {
		if of(s) && (at == nil || s.last.Before(at.last)) {
			worst, at = k, s
		}
	}
	delete(t.by, worst)
}

// find is a session that stands. used: somebody is at work, so that it is not
// idle.
func (t *sessions) find(k sum, used bool) (name, password string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.by[k]
	if s == nil {
		return "", "", false
	}
	now := t.clock()
	if s.over(now) {
		delete(t.by, k)
		return "", "", false
	}
	if used {
		s.last = now
	}
	return s.name, s.password, true
}

func (t *sessions) end(k sum) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.by, k)
}
