package memcached

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/seed-41165957/crossfade/backends"
)

// Finding is one thing that Preflight looked at.
type Finding struct {
	What  string
	OK    bool
	Found string
	Mend  string // what mends it; empty where nothing has to
}

// Preflight looks at the server's limits, and whether it can list its keys. It
// changes nothing.
func (s *Store) Preflight(ctx context.Context) ([]Finding, error) {
	set := map[string]string{}
	err := s.admin.use(ctx, func(nc net.Conn, br *bufio.Reader) error {
		keep := func(name, value string) { set[name] = value }
		if err := stats(nc, br, "stats", keep); err != nil {
			return err
		}
		return stats(nc, br, "stats settings", keep)
	})
	if err != nil {
		return nil, fmt.Errorf("memcached: preflight: %w", err)
	}
	item := Finding{What: "item size", Found: set["item_size_max"] + " bytes"}
	if n, err := strconv.Atoi(set["item_size_max"]); err != nil {
		item.OK, item.Found = true, "the server does not say"
	} else if item.OK = n >= backends.MaxData; !item.OK {
		item.Mend = "start it with -I 1m: sessions that are larger cannot be copied here"
	}
	memory := Finding{What: "memory", OK: true, Found: fmt.Sprintf("%s of %s bytes used, %s items, %s evicted", set["bytes"], set["limit_maxbytes"], set["curr_items"], set["evictions"])}
	list := Finding{What: "listing", OK: true, Found: "lru_crawler metadump"}
	enough := errors.New("enough")
	if err := s.Scan(ctx, "", func([]string) error { return enough }); err != nil && !errors.Is(err, enough) {
		list.OK, list.Found = false, err.Error()
		list.Mend = "memcached 1.4.31 or later, without -o no_lru_crawler and without a proxy: a backfill lists its keys"
	}
	return []Finding{item, memory, list}, nil
}
