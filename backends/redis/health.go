package redis

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// static is what does not change while a server runs.
type static struct{ version, runID string }

// Health asks INFO, on a connection kept for it: of the server, of the primary
// that Sentinel names, or of all masters of a cluster. The run id of a cluster
// is made of its masters', so it changes with any failover; its version is the
// oldest, and evictions are summed. All masters must answer.
//
// A server that does not say how it evicts (some managed ones) is taken to
// evict, and Note says so.
func (s *Store) Health(ctx context.Context) (backends.Health, error) {
	if err := s.enter(ctx); err != nil {
		return backends.Health{}, err
	}
	nodes, err := s.layout.nodes(ctx)
	if err != nil {
		return backends.Health{}, err
	}
	all := make([]backends.Health, len(nodes))
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes[1:] {
		wg.Go(func() { all[i+1], errs[i+1] = n.health(ctx) })
	}
	all[0], errs[0] = nodes[0].health(ctx)
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			s.layout.again(ctx, "", nodes[i], err, clusterTries-1) // finds out where it is now
			return backends.Health{}, err
		}
	}
	h := sum(all)
	h.Connections, h.Parked = s.Connections()
	return h, nil
}

// sum makes one answer of those of the masters.
func sum(all []backends.Health) backends.Health {
	h := all[0]
	if len(all) == 1 {
		return h
	}
	ids := []string{h.RunID}
	for _, o := range all[1:] {
		ids = append(ids, o.RunID)
		h.Version = min(h.Version, o.Version)
		h.Evictions += o.Evictions
		h.Evicts = h.Evicts || o.Evicts
		if h.Note == "" {
			h.Note = o.Note
		}
	}
	slices.Sort(ids)
	digest := sha256.Sum256([]byte(strings.Join(ids, " ")))
	h.RunID = hex.EncodeToString(digest[:20]) // as long as a run id
	return h
}

// health asks one server.
func (n *node) health(ctx context.Context) (backends.Health, error) {
	sent := time.Now()
	pipe := n.control.Pipeline()
	clock := pipe.Time(ctx)
	server, stats, memory := pipe.Info(ctx, "server"), pipe.Info(ctx, "stats"), pipe.Info(ctx, "memory")
	if _, err := pipe.Exec(ctx); err != nil { // any: each answer is needed
		return backends.Health{}, n.store.read(ctx, "health", err)
	}
	n.notedBy(clock, sent) // it is asked each second: the clock stays known
	known := n.static.Load()
	if id := infoField(server.Val(), "run_id"); known == nil || known.runID != id {
		// Cloned: a field would keep the whole answer in memory.
		known = &static{strings.Clone(infoField(server.Val(), "redis_version")), strings.Clone(id)}
		n.static.Store(known)
	}
	h := backends.Health{Product: "redis", Version: known.version, RunID: known.runID}
	var err error
	if h.Evictions, err = strconv.ParseUint(infoField(stats.Val(), "evicted_keys"), 10, 64); err != nil {
		return backends.Health{}, errors.New("backends/redis: health: INFO has no evicted_keys")
	}
	limit, policy := infoField(memory.Val(), "maxmemory"), infoField(memory.Val(), "maxmemory_policy")
	h.Evicts = limit != "0" && policy != "noeviction"
	if limit == "" || policy == "" {
		h.Evicts = true
		h.Note = "the server does not say its maxmemory-policy: taken to evict sessions, so that a miss proves nothing"
	}
	return h, nil
}

// Connections implements backends.Pooled.
func (s *Store) Connections() (open, parked int) {
	for _, n := range append(s.layout.serving(), s.layout.counted()...) {
		lines, held := n.lines()
		open += lines
		parked += held
		if !n.retired.Load() {
			open += int(n.lists.PoolStats().TotalConns + n.control.PoolStats().TotalConns)
		}
	}
	return open, parked
}

// infoField finds one field of an answer to INFO; empty if it is not there.
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if k, v, ok := strings.Cut(line, ":"); ok && k == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
