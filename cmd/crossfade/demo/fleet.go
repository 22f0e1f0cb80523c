package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
	bookfiles "github.com/seed-41165957/crossfade/migrate/book/files"
)

const (
	migration   = "demo"
	sessionLife = 24 * time.Minute // PHP's session.gc_maxlifetime
	// lockLife is short so that steps, which wait for locks, are quick to watch.
	lockLife = 2 * time.Second
)

// fleet is two agents of one migration, with everything that a real one has:
// flags in a file, an admin port, an orchestrator beside them.
type fleet struct {
	dir     string
	pair    *pair
	kinds   *kinds.Set
	hasher  *flags.Hasher
	watch   *watcher
	agents  []*member
	orchest *migrate.Migration
	stop    context.CancelFunc
	wg      sync.WaitGroup
}

type member struct {
	layer *darklaunch.Layer
	src   *flags.File
	admin *http.Server
	addr  string
}

func newFleet(ctx context.Context, p *pair) (_ *fleet, err error) {
	f := &fleet{pair: p, watch: &watcher{}}
	ctx, f.stop = context.WithCancel(ctx)
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	if f.dir, err = os.MkdirTemp("", "crossfade-demo-"); err != nil {
		return nil, err
	}
	f.kinds, err = kinds.Compile([]kinds.Kind{{
		Name: "php", Keys: []string{"memc.sess.key.{id: [a-z0-9]+}"}, Locks: []string{"memc.sess.key.lock.{id}"},
		NewKey: "PHPREDIS_SESSION:{id}", NewLock: "PHPREDIS_SESSION:{id}_LOCK", MaxAge: time.Hour, LockTTL: lockLife,
	}})
	if err != nil {
		return nil, err
	}
	if f.hasher, err = flags.LoadOrCreateKey(filepath.Join(f.dir, "hash.key")); err != nil {
		return nil, err
	}
	off := flags.Definition{Migration: migration, Epoch: 1, Default: position.Off}
	off.Weights[position.Off] = flags.Buckets
	data, err := off.MarshalFlagd()
	if err != nil {
		return nil, err
	}
	if err = os.WriteFile(f.flagFile(), data, 0o600); err != nil {
		return nil, err
	}
	var addrs []string
	for i := range 2 {
		m, err := f.member(ctx, i)
		if err != nil {
			return nil, err
		}
		f.agents = append(f.agents, m)
		addrs = append(addrs, m.addr)
	}
	f.orchest, err = migrate.New(migrate.Options{
		Migration: migration, Book: bookfiles.New(f.flagFile()), Kinds: f.kinds, Agents: addrs, KeepOld: true,
		Wait: 30 * time.Second, Grace: 10 * time.Second,
		Layer: func() (darklaunch.Options, error) { return f.options(), nil },
	})
	return f, err
}

func (f *fleet) flagFile() string { return filepath.Join(f.dir, "flags.json") }

func (f *fleet) options() darklaunch.Options {
	return darklaunch.Options{
		Migration: migration, Kinds: f.kinds, Hasher: f.hasher,
		Old: darklaunch.Store{Store: f.pair.old, Timeout: time.Second, Evicts: f.pair.evicts},
		// Four times the usual: a busy machine is not what is shown.
		New:         darklaunch.Store{Store: f.pair.new, Timeout: time.Second},
		CopyTimeout: 5 * time.Second, CompareRatio: 0.1,
	}
}

func (f *fleet) member(ctx context.Context, i int) (*member, error) {
	m := &member{src: flags.NewFile(f.flagFile(), flags.FileOptions{Migration: migration, Poll: 20 * time.Millisecond,
		StateDir: filepath.Join(f.dir, fmt.Sprint("agent", i))})}
	if err := m.src.Load(); err != nil {
		return nil, err
	}
	o := f.options()
	o.Flags, o.Observer, o.StateDir = m.src, f.watch, filepath.Join(f.dir, fmt.Sprint("agent", i))
	var err error
	if m.layer, err = darklaunch.New(o); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m.addr = l.Addr().String()
	m.admin = &http.Server{ReadHeaderTimeout: 5 * time.Second,
		Handler: agentapi.New(m.layer, agentapi.Options{Name: fmt.Sprintf("agent-%d", i+1), Flags: m.src, Kinds: f.kinds})}
	f.wg.Go(func() { m.admin.Serve(l) })
	f.wg.Go(func() { m.src.Run(ctx) })
	f.wg.Go(func() { m.layer.Run(ctx) })
	return m, nil
}

func (f *fleet) close() error {
	f.stop()
	var errs []error
	for _, m := range f.agents {
		errs = append(errs, m.admin.Close())
	}
	f.wg.Wait()
	for _, m := range f.agents {
		errs = append(errs, m.layer.Close())
	}
	if f.orchest != nil {
		f.orchest.Close()
	}
	return errors.Join(append(errs, os.RemoveAll(f.dir))...)
}

func (f *fleet) clients() []client {
	var cs []client
	for i, m := range f.agents {
		cs = append(cs, &throughAgent{m.layer.Door("library"), uint64(i)})
	}
	return cs
}

// throughAgent is a user's requests to one agent.
type throughAgent struct {
	d    *darklaunch.Door
	conn uint64
}

func (a *throughAgent) ref(id string) kinds.Ref {
	r, _ := a.d.ResolveString("memc.sess.key." + id)
	return r
}

func (a *throughAgent) get(ctx context.Context, id string) (string, bool, error) {
	s, found, err := a.d.Get(ctx, a.ref(id))
	return string(s.Data), found, err
}

func (a *throughAgent) set(ctx context.Context, id, value string) error {
	return a.d.Set(ctx, a.ref(id), backends.Session{Data: []byte(value), Deadline: time.Now().Add(sessionLife)})
}

func (a *throughAgent) touch(ctx context.Context, id string) (bool, error) {
	return a.d.Touch(ctx, a.ref(id), time.Now().Add(sessionLife))
}

func (a *throughAgent) add(ctx context.Context, id string) (bool, error) {
	return a.d.Add(ctx, a.ref(id), backends.Session{Deadline: time.Now().Add(30 * time.Second)})
}

func (a *throughAgent) delete(ctx context.Context, id string) error {
	_, err := a.d.Delete(ctx, a.ref(id))
	return err
}

func (a *throughAgent) lock(ctx context.Context, id, token string) (bool, error) {
	return a.d.Lock(ctx, a.ref(id), kinds.Owner{Client: token, Conn: a.conn}, lockLife)
}

func (a *throughAgent) unlock(ctx context.Context, id, token string) error {
	_, err := a.d.Unlock(ctx, a.ref(id), kinds.Owner{Client: token, Conn: a.conn})
	return err
}

// watcher counts for the lines of the show.
type watcher struct {
	mu         sync.Mutex // guards all
	took       [2]*hdrhistogram.Histogram
	divergence int64
	fallbacks  int64
}

func (w *watcher) StoreCall(side rules.Side, _ darklaunch.Class, p darklaunch.Purpose, took time.Duration) {
	if p == darklaunch.Copy {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.took[side] == nil {
		w.took[side] = hdrhistogram.New(1, 60_000_000, 3)
	}
	w.took[side].RecordValue(took.Microseconds())
}

// quantiles of one store since the last call, in milliseconds.
func (w *watcher) quantiles(side rules.Side) (p50, p99 float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.took[side]
	if h == nil {
		return 0, 0
	}
	p50, p99 = float64(h.ValueAtQuantile(50))/1000, float64(h.ValueAtQuantile(99))/1000
	h.Reset()
	return p50, p99
}

func (w *watcher) Divergence(class, _ string) {
	if class == "expiry" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.divergence++
}

func (w *watcher) divergences() int64 { w.mu.Lock(); defer w.mu.Unlock(); return w.divergence }

func (w *watcher) Fallback(string) { w.mu.Lock(); defer w.mu.Unlock(); w.fallbacks++ }

func (*watcher) Request(string, rules.Op, position.Position, string, time.Duration) {}
func (*watcher) StoreError(rules.Side, bool)                                        {}
func (*watcher) Comparison(string)                                                  {}
func (*watcher) Repair(rules.Side, string)                                          {}
func (*watcher) Copied(string, string)                                              {}
func (*watcher) MirrorDropped()                                                     {}
func (*watcher) LockConflict()                                                      {}
