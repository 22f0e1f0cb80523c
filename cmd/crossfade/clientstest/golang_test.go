package clientstest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/redis/go-redis/v9"
)

// golang has Go's clients in this process, one for each connection.
func golang(_ testing.TB, c client, addr string) script {
	g := &goScript{}
	for range connections {
		if c.speaks == "memcached" {
			m := memcache.New(addr)
			m.Timeout = 10 * time.Second
			g.sites = append(g.sites, goMemcache{m})
			continue
		}
		r := redis.NewClient(&redis.Options{Addr: addr, PoolSize: 1, ReadTimeout: 10 * time.Second})
		g.sites = append(g.sites, goRedis{r})
	}
	return g
}

type goScript struct{ sites []goSite }

// goSite keeps sessions as the other clients without a framework do: JSON.
type goSite interface {
	module() string
	close() error
	create(id string, v []byte) error
	// change gives what f makes of a session: nothing else gets in between.
	// f gives nil for no session, and v itself for no change.
	change(id string, f func(v []byte) ([]byte, error)) error
	look(id string) ([]byte, error)
}

var errMissing = errors.New("missing")

func (g *goScript) ask(conn int, q question) (a answer, err error) {
	s := g.sites[conn]
	switch q.Op {
	case "version":
		a.Note, err = version(s.module())
		return a, err
	case "login":
		a = answer{ID: newID(), User: q.User}
		return a, s.create(a.ID, a.text())
	case "look":
		v, err := s.look(q.ID)
		return read(a, v, err)
	}
	err = s.change(q.ID, func(v []byte) ([]byte, error) {
		if a, err = read(answer{}, v, nil); err != nil {
			return nil, err
		}
		switch q.Op {
		case "click":
			time.Sleep(time.Duration(q.Hold) * time.Millisecond)
			a.N++
			return a.text(), nil
		case "renew":
			a.ID = newID()
			return nil, s.create(a.ID, v)
		}
		return nil, nil
	})
	if errors.Is(err, errMissing) {
		return answer{Missing: true}, nil
	}
	return a, err
}

// version of a module: a test's binary does not tell.
func version(module string) (string, error) {
	text, err := os.ReadFile("../../../go.mod")
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(string(text), module+" v")
	v, _, _ := strings.Cut(rest, "\n")
	if day := strings.Split(v, "-"); len(day) == 3 { // a commit's: its day will do
		v = day[1][:8]
	}
	return v, nil
}

func read(a answer, v []byte, err error) (answer, error) {
	if errors.Is(err, errMissing) {
		return answer{Missing: true}, nil
	}
	if err == nil {
		err = json.Unmarshal(v, &a)
	}
	return a, err
}

func (a answer) text() []byte {
	b, err := json.Marshal(map[string]any{"user": a.User, "n": a.N})
	if err != nil {
		panic(err) // of a string and a number
	}
	return b
}

func newID() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}

func (g *goScript) warnings() []string { return nil }

func (g *goScript) stop() (err error) {
	for _, s := range g.sites {
		err = errors.Join(err, s.close())
	}
	return err
}

const goLife = 1440

type goMemcache struct{ c *memcache.Client }

func (goMemcache) module() string { return "github.com/bradfitz/gomemcache" }

func (m goMemcache) close() error { return m.c.Close() }

func (m goMemcache) create(id string, v []byte) error {
	return m.c.Add(&memcache.Item{Key: "own:" + id, Value: v, Expiration: goLife})
}

func (m goMemcache) look(id string) ([]byte, error) {
	i, err := m.c.Get("own:" + id)
	if errors.Is(err, memcache.ErrCacheMiss) {
		return nil, errMissing
	}
	if err != nil {
		return nil, err
	}
	return i.Value, m.c.Touch("own:"+id, goLife)
}

func (m goMemcache) change(id string, f func([]byte) ([]byte, error)) error {
	for {
		i, err := m.c.Get("own:" + id)
		if errors.Is(err, memcache.ErrCacheMiss) {
			return errMissing
		}
		if err != nil {
			return err
		}
		v, err := f(i.Value)
		if err != nil {
			return err
		}
		if v == nil {
			return m.c.Delete("own:" + id)
		}
		i.Value, i.Expiration = v, goLife
		if err := m.c.CompareAndSwap(i); !errors.Is(err, memcache.ErrCASConflict) {
			return err
		}
	}
}

type goRedis struct{ c *redis.Client }

func (goRedis) module() string { return "github.com/redis/go-redis/v9" }

func (r goRedis) close() error { return r.c.Close() }

func (r goRedis) create(id string, v []byte) error {
	ok, err := r.c.SetNX(context.Background(), "own:"+id, v, goLife*time.Second).Result()
	if err == nil && !ok {
		err = errors.New("the id is taken")
	}
	return err
}

func (r goRedis) look(id string) ([]byte, error) {
	v, err := r.c.Get(context.Background(), "own:"+id).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, errMissing
	}
	if err != nil {
		return nil, err
	}
	return v, r.c.Expire(context.Background(), "own:"+id, goLife*time.Second).Err()
}

// unlock is what everybody's is, to the byte what phpredis sends.
var unlock = redis.NewScript(`if redis.call("get",KEYS[1]) == ARGV[1] then return redis.call("del",KEYS[1]) else return 0 end`)

func (r goRedis) change(id string, f func([]byte) ([]byte, error)) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	lock, token := "own-lock:"+id, newID()
	for {
		ok, err := r.c.SetNX(ctx, lock, token, 30*time.Second).Result()
		if err != nil {
			return err
		}
		if ok {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	defer func() {
		if n, e := unlock.Run(ctx, r.c, []string{lock}, token).Int(); e != nil || n != 1 {
			err = errors.Join(err, errors.New("the lock was gone at the unlock"), e)
		}
	}()
	was, err := r.c.Get(ctx, "own:"+id).Bytes()
	if errors.Is(err, redis.Nil) {
		return errMissing
	}
	if err != nil {
		return err
	}
	v, err := f(was)
	switch {
	case err != nil:
		return err
	case v == nil:
		return r.c.Del(ctx, "own:"+id).Err()
	}
	return r.c.SetEx(ctx, "own:"+id, v, goLife*time.Second).Err()
}
