package control

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/migrate"
)

// verbs are what a server does for whoever asks. Each may be begun again after
// a server died in the middle of it.
var verbs map[string]func(s *Server, ctx context.Context, args json.RawMessage, progress progressFunc) (any, error)

func init() { // the map and the functions name each other
	verb := func(fn func(s *Server, ctx context.Context, a verbArgs, progress progressFunc) (any, error)) func(*Server, context.Context, json.RawMessage, progressFunc) (any, error) {
		return func(s *Server, ctx context.Context, raw json.RawMessage, progress progressFunc) (any, error) {
			a, err := readArgs(raw)
			if err != nil {
				return nil, err
			}
			return fn(s, ctx, a, progress)
		}
	}
	verbs = map[string]func(*Server, context.Context, json.RawMessage, progressFunc) (any, error){
		"ramp": verb(func(s *Server, ctx context.Context, a verbArgs, p progressFunc) (any, error) {
			if len(a.Agents) > 0 {
				return s.m.RampOn(ctx, a.Agents, a.Buckets, p)
			}
			return s.m.Ramp(ctx, a.Stage, a.Buckets, p)
		}),
		"complete": verb(func(s *Server, ctx context.Context, _ verbArgs, p progressFunc) (any, error) {
			return s.m.Complete(ctx, p)
		}),
		"rollback": verb(func(s *Server, ctx context.Context, a verbArgs, p progressFunc) (any, error) {
			return s.m.Rollback(ctx, a.To, p)
		}),
		"backfill": verb(func(s *Server, ctx context.Context, a verbArgs, p progressFunc) (any, error) {
			return s.m.Backfill(a.paced(ctx), p)
		}),
		"verify": verb(func(s *Server, ctx context.Context, a verbArgs, p progressFunc) (any, error) {
			return s.m.Verify(migrate.WithSample(a.paced(ctx), a.Sample), p)
		}),
		"repair": verb(func(s *Server, ctx context.Context, a verbArgs, p progressFunc) (any, error) {
			var o migrate.RepairOptions
			if a.Repair != nil {
				o = *a.Repair
			}
			return s.m.Repair(a.paced(ctx), o, p)
		}),
		"repair-undo": verb(func(s *Server, ctx context.Context, a verbArgs, p progressFunc) (any, error) {
			if a.Name == "" || a.Name != filepath.Base(a.Name) {
				return nil, fmt.Errorf("control: %q is no name of an undo log: accepted is that of a file in the server's agent.state_dir, without a path", a.Name)
			}
			return s.m.UndoRepair(ctx, a.Name, p)
		}),
		"declare-down": verb(func(s *Server, ctx context.Context, a verbArgs, p progressFunc) (any, error) {
			return s.m.DeclareDown(ctx, a.Store, p)
		}),
		"recover": verb(func(s *Server, ctx context.Context, a verbArgs, p progressFunc) (any, error) {
			return s.m.Recover(ctx, a.Store, p)
		}),
		"observe": verb(func(s *Server, ctx context.Context, a verbArgs, p progressFunc) (any, error) {
			return s.m.Observe(ctx, time.Duration(a.Seconds*float64(time.Second)), p)
		}),
		"pin": verb(func(s *Server, ctx context.Context, a verbArgs, p progressFunc) (any, error) {
			h, to, err := a.pinned("pin")
			if err != nil {
				return nil, err
			}
			return s.m.Pin(ctx, h, to, p)
		}),
		"unpin": verb(func(s *Server, ctx context.Context, a verbArgs, p progressFunc) (any, error) {
			h, _, err := a.pinned("unpin")
			if err != nil {
				return nil, err
			}
			return s.m.Unpin(ctx, h, p)
		}),
		"forget": verb(func(s *Server, ctx context.Context, a verbArgs, p progressFunc) (any, error) {
			return s.forget(ctx, a.Name, p)
		}),
	}
}

func percent(buckets int) string { return flags.PercentText(buckets) }
