package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/seed-41165957/crossfade/backends"
)

// static is what does not change while a server runs.
type static struct{ version, runID string }

// Health asks INFO, on a connection kept for it.
func (s *Store) Health(ctx context.Context) (backends.Health, error) {
	if err := s.enter(ctx); err != nil {
		return backends.Health{}, err
	}
	pipe := s.control.Pipeline()
	server, stats, memory := pipe.Info(ctx, "server"), pipe.Info(ctx, "stats"), pipe.Info(ctx, "memory")
	if _, err := pipe.Exec(ctx); err != nil { // any: each answer is needed
		return backends.Health{}, s.read(ctx, "health", err)
	}
	known := s.static.Load()
	if id := infoField(server.Val(), "run_id"); known == nil || known.runID != id {
		// Cloned: a field would keep the whole answer in memory.
		known = &static{strings.Clone(infoField(server.Val(), "redis_version")), strings.Clone(id)}
		s.static.Store(known)
	}
	h := backends.Health{Product: "redis", Version: known.version, RunID: known.runID}
	var err error
	if h.Evictions, err = strconv.ParseUint(infoField(stats.Val(), "evicted_keys"), 10, 64); err != nil {
		return backends.Health{}, errors.New("backends/redis: health: INFO has no evicted_keys")
	}
	limit, policy := infoField(memory.Val(), "maxmemory"), infoField(memory.Val(), "maxmemory_policy")
	h.Evicts = limit != "0" && policy != "noeviction"
	h.Connections, h.Parked = s.Connections()
	return h, nil
}

// Connections implements backends.Pooled.
func (s *Store) Connections() (open, parked int) {
	open = int(s.reads.PoolStats().TotalConns + s.control.PoolStats().TotalConns)
	for _, p := range []*pool{s.changes, s.guards, s.undos} {
		open += p.open()
		parked += int(p.parked.Load())
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

// Settle ends the doubt about a call that any agent sent on the connection
// conn (Unknown.Conn, Mark.Conn) to the server runID: once it returns nil, the
// call was applied or never will be. It kills the connection from another one;
// a server with another run id never had it.
func (s *Store) Settle(ctx context.Context, conn, runID string) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	number, ok := strings.CutPrefix(conn, "id:")
	if _, err := strconv.ParseInt(number, 10, 64); err != nil || !ok {
		return fmt.Errorf("backends/redis: settle: %q names no connection of a Redis server", conn)
	}
	if runID != "" {
		info, err := s.control.Info(ctx, "server").Result()
		if err != nil {
			return s.read(ctx, "settle", err)
		}
		if now := infoField(info, "run_id"); now != "" && now != runID {
			return nil
		}
	}
	// It answers how many it has killed: none is as good. Should the server
	// have been replaced since INFO, the id may be a stranger's connection,
	// which then sees a lost connection; nothing worse.
	if err := s.control.ClientKillByFilter(ctx, "ID", number).Err(); err != nil {
		return s.read(ctx, "settle", err)
	}
	return nil
}
