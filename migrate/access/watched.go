package access

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// lookEvery is how old what is known of the file may be.
const lookEvery = time.Second

// People are those of a file, which is read again when it changes. One that
// cannot be read changes nothing, and is told. Safe for concurrent use.
type People struct {
	path   string
	failed func(error)

	mu     sync.Mutex // guards what follows; held over reading some kilobytes
	clock  func() time.Time
	looked time.Time
	stamp  os.FileInfo // of the file when it was read last; nil: it was gone
	said   string
	good   *index
}

// index is a roll as it is asked.
type index struct {
	people map[string]*Person
	tokens map[string]*Person // by SHA-256
	nobody []byte             // is compared where a name is not known: costs the same
}

// OpenPeople reads the file. failed, where not nil, is told of each change that
// cannot be read, once.
func OpenPeople(path string, failed func(error)) (*People, error) {
	p := &People{path: path, failed: failed, clock: time.Now}
	p.stamp = p.stampNow() // before it is read: what changes meanwhile is read again
	r, err := ReadRoll(path)
	if err != nil {
		return nil, err
	}
	p.good, p.looked = newIndex(r), p.clock()
	return p, nil
}

func newIndex(r *Roll) *index {
	x := &index{people: map[string]*Person{}, tokens: map[string]*Person{}}
	cost := bcryptCost
	for i := range r.People {
		p := &r.People[i]
		x.people[p.Name] = p
		if c, err := bcrypt.Cost([]byte(p.Password)); err == nil {
			cost = c
		}
		for _, t := range p.Tokens {
			x.tokens[t.SHA256] = p
		}
	}
	x.nobody = nobody(cost)
	return x
}

// nobody is the bcrypt of something that nobody knows, at a cost: made at the
// lowest, since only comparing it shall take long.
func nobody(cost int) []byte {
	sum, err := bcrypt.GenerateFromPassword([]byte(tokenSum(time.Now().String())), bcrypt.MinCost)
	if err != nil {
		panic("access: bcrypt: " + err.Error()) // its only reasons are its arguments
	}
	copy(sum[4:6], fmt.Sprintf("%02d", cost))
	return sum
}

// now is what the file says, or said when it last could be read.
func (p *People) now() *index {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock()
	if d := now.Sub(p.looked); d >= 0 && d < lookEvery {
		return p.good
	}
	p.looked = now
	stamp := p.stampNow()
	if sameFile(stamp, p.stamp) {
		return p.good
	}
	r, err := ReadRoll(p.path)
	if err == nil {
		p.good, p.stamp, p.said = newIndex(r), stamp, ""
		return p.good
	}
	if text := err.Error(); text != p.said {
		p.said = text
		if p.failed != nil {
			p.failed(fmt.Errorf("who was there before may go on: %w", err))
		}
	}
	return p.good
}

func (p *People) stampNow() os.FileInfo {
	fi, err := os.Stat(p.path) // of what a link leads to
	if err != nil {
		return nil
	}
	return fi
}

// sameFile tells whether nothing was changed between two looks. Not by size and
// time alone: a file that is put in its place (from a backup, with its time; or a
// moment after the last one) may have both.
func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}
