package clientstest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/v2"
	"github.com/redis/go-redis/v9"
)

// scsSite is a site with scs and its own store for Redis, one manager for each
// connection.
func scsSite(_ testing.TB, _ client, addr string) script {
	s := &scsScript{}
	for range connections {
		r := redis.NewClient(&redis.Options{Addr: addr, PoolSize: 1, ReadTimeout: 10 * time.Second})
		// As scs.New makes one, without the store in memory and its goroutine.
		m := &scs.SessionManager{Store: goredisstore.New(r), IdleTimeout: goLife * time.Second, Lifetime: 24 * time.Hour, Codec: scs.GobCodec{},
			Cookie: scs.SessionCookie{Name: "session", Path: "/", HttpOnly: true, Persist: true, SameSite: http.SameSiteLaxMode}}
		s.clients, s.managers = append(s.clients, r), append(s.managers, m)
	}
	return s
}

type scsScript struct {
	managers []*scs.SessionManager
	clients  []*redis.Client
}

// ask is one request through the middleware, with the cookie that the browser has.
func (s *scsScript) ask(conn int, q question) (a answer, err error) {
	if q.Op == "version" {
		a.Note, err = version("github.com/alexedwards/scs/v2")
		return a, err
	}
	m := s.managers[conn]
	m.ErrorFunc = func(w http.ResponseWriter, _ *http.Request, e error) { err = e } // one request at a time
	h := m.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		a, err = s.page(r.Context(), m, q)
	}))
	r := httptest.NewRequest("GET", "/", nil)
	if q.ID != "" {
		r.AddCookie(&http.Cookie{Name: m.Cookie.Name, Value: q.ID})
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if (q.Op == "login" || q.Op == "renew") && c.Value != "" {
			a.ID = c.Value
		}
	}
	return a, err
}

func (s *scsScript) page(ctx context.Context, m *scs.SessionManager, q question) (answer, error) {
	if q.Op == "login" {
		m.Put(ctx, "user", q.User)
		m.Put(ctx, "n", 0)
		return answer{User: q.User}, m.RenewToken(ctx)
	}
	if !m.Exists(ctx, "user") {
		return answer{Missing: true}, nil
	}
	a := answer{User: m.GetString(ctx, "user"), N: m.GetInt(ctx, "n")}
	switch q.Op {
	case "click":
		a.N++
		m.Put(ctx, "n", a.N)
	case "renew":
		return a, m.RenewToken(ctx)
	case "logout":
		return a, m.Destroy(ctx)
	case "look":
	default:
		return a, fmt.Errorf("scs: no question %q", q.Op)
	}
	return a, nil
}

func (*scsScript) warnings() []string { return nil }

func (s *scsScript) stop() (err error) {
	for _, c := range s.clients {
		err = errors.Join(err, c.Close())
	}
	return err
}
