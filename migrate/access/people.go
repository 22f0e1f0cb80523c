package access

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/bcrypt"
)

// Person is one who may sign in, or show a token of their own.
type Person struct {
	Name string `yaml:"name"` // 1 to 64 of A-Z, a-z, 0-9, dot, _, @ and -
	Role Role   `yaml:"role"`
	// Password is its bcrypt; empty: this one has tokens alone.
	Password string  `yaml:"password,omitempty"`
	Tokens   []Token `yaml:"tokens,omitempty"`
}

// Token is one bearer token of a person.
type Token struct {
	Name   string    `yaml:"name"`
	SHA256 string    `yaml:"sha256"` // of the token, lower-case hex
	Made   time.Time `yaml:"made"`
}

// Roll is the content of the file.
type Roll struct {
	People []Person `yaml:"people"`
}

const (
	rollMost = 1 << 20 // bytes: some thousand people
	// PasswordLeast and PasswordMost are lengths in bytes: bcrypt reads no more.
	PasswordLeast, PasswordMost = 12, 72
)

// bcryptCost makes a try cost some quarter of a second of one core, and a sign-in
// no more than that. Tests have a lower one.
var bcryptCost = 12

var (
	personName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)
	sumOfToken = regexp.MustCompile(`^[0-9a-f]{64}$`)
	lineOf     = regexp.MustCompile(`line (\d+)`)
)

// reserved are names under which the server itself acts.
var reserved = []string{"plan", "nobody", "server"}

// ReadRoll reads the file of people. It is refused where others than its owner
// may read or write it. No error shows what is in it, but for names.
func ReadRoll(path string) (*Roll, error) {
	// Without waiting: to open a pipe would, for whoever writes into it.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("access: people: %w: make it with crossfade users add", err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("access: people: %w", err)
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("access: people: %s is no file", path)
	}
	if fi.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("access: people: %s can be read by others (mode %04o), and holds what passwords can be guessed from: chmod 0600 %s", path, fi.Mode().Perm(), path)
	}
	data, err := io.ReadAll(io.LimitReader(f, rollMost+1))
	if err != nil {
		return nil, fmt.Errorf("access: people: %w", err)
	}
	if len(data) > rollMost {
		return nil, fmt.Errorf("access: people: %s is larger than 1 MiB", path)
	}
	r, err := parseRoll(data)
	if err != nil {
		return nil, fmt.Errorf("access: people: %s: %w", path, err)
	}
	return r, nil
}

func parseRoll(data []byte) (*Roll, error) {
	r := &Roll{}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(r); err != nil && !errors.Is(err, io.EOF) {
		// The reader's own words hold pieces of the file.
		where := "a line"
		if m := lineOf.FindStringSubmatch(err.Error()); m != nil {
			where = "line " + m[1]
		}
		return nil, fmt.Errorf("%s cannot be read: accepted is people, a list of name, role (viewer, operator, admin), password (bcrypt), tokens (name, sha256, made)", where)
	}
	return r, r.check()
}

func (r *Roll) check() error {
	names, sums := map[string]bool{}, map[string]bool{}
	for i, p := range r.People {
		switch {
		case !personName.MatchString(p.Name) || slices.Contains(reserved, strings.ToLower(p.Name)):
			return fmt.Errorf("people[%d].name %q: accepted are 1 to 64 of A-Z, a-z, 0-9, dot, _, @ and -, but none of %s", i, p.Name, strings.Join(reserved, ", "))
		case names[p.Name]:
			return fmt.Errorf("people[%d].name %q is there twice", i, p.Name)
		case p.Role < Viewer || p.Role > Admin:
			return fmt.Errorf("people[%d] (%s) has no role: accepted are viewer, operator and admin", i, p.Name)
		}
		names[p.Name] = true
		if p.Password != "" {
			if _, err := bcrypt.Cost([]byte(p.Password)); err != nil {
				return fmt.Errorf("people[%d] (%s): the password is no bcrypt: crossfade users password %s", i, p.Name, p.Name)
			}
		}
		for _, t := range p.Tokens {
			if !sumOfToken.MatchString(t.SHA256) || sums[t.SHA256] {
				return fmt.Errorf("people[%d] (%s): the sha256 of a token is none, or there twice: crossfade users token %s", i, p.Name, p.Name)
			}
			sums[t.SHA256] = true
		}
	}
	return nil
}

// Find is a person of the roll; nil: there is none of that name.
func (r *Roll) Find(name string) *Person {
	for i := range r.People {
		if r.People[i].Name == name {
			return &r.People[i]
		}
	}
	return nil
}

// Add adds a person.
func (r *Roll) Add(p Person) error {
	r.People = append(r.People, p)
	return r.check()
}

// Remove takes a person off; false: there was none.
func (r *Roll) Remove(name string) bool {
	n := len(r.People)
	r.People = slices.DeleteFunc(r.People, func(p Person) bool { return p.Name == name })
	return len(r.People) < n
}

// SetPassword sets another password, of 12 to 72 bytes.
func (p *Person) SetPassword(password []byte) error {
	if len(password) < PasswordLeast || len(password) > PasswordMost {
		return fmt.Errorf("access: the password has %d bytes: accepted are %d to %d", len(password), PasswordLeast, PasswordMost)
	}
	sum, err := bcrypt.GenerateFromPassword(password, bcryptCost)
	if err != nil {
		return fmt.Errorf("access: %w", err)
	}
	p.Password = string(sum)
	return nil
}

// tokenPrefix lets a token be known for what it is where it was put by mistake.
const tokenPrefix = "cfp_"

// NewToken makes a bearer token of this person, of 256 random bits. It is given
// once: its SHA-256 is all that is kept.
func (p *Person) NewToken(name string, now time.Time) (token string) {
	b := make([]byte, 32)
	rand.Read(b)
	token = tokenPrefix + hex.EncodeToString(b)
	p.Tokens = append(p.Tokens, Token{Name: name, SHA256: tokenSum(token), Made: now.UTC().Truncate(time.Second)})
	return token
}

// HasToken tells whether a token has that name.
func (p *Person) HasToken(name string) bool {
	return slices.ContainsFunc(p.Tokens, func(t Token) bool { return t.Name == name })
}

// RevokeToken takes the token of that name away; false: there is none.
func (p *Person) RevokeToken(name string) bool {
	n := len(p.Tokens)
	p.Tokens = slices.DeleteFunc(p.Tokens, func(t Token) bool { return t.Name == name })
	return len(p.Tokens) < n
}

func tokenSum(token string) string {
	s := sha256.Sum256([]byte(token))
	return hex.EncodeToString(s[:])
}
