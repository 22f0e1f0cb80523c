package parts

import (
	"fmt"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/hybrid"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
)

// openHybrid makes memcached over a table.
func openHybrid(name string, c *config.Hybrid, of *config.Config) (backends.Store, error) {
	rows, err := openMySQL(c.MySQL, of.Migration, of.Timeouts)
	if err != nil {
		return nil, fmt.Errorf("%s.hybrid.mysql: %w", name, err)
	}
	cache, err := openMemcached(c.Memcached, of.Migration, of.Timeouts)
	if err != nil {
		rows.Close()
		return nil, fmt.Errorf("%s.hybrid.memcached: %w", name, err)
	}
	return hybrid.New(cache, rows, hybrid.Options{Migration: of.Migration, Prefix: c.KeyPrefix, SyncEvery: c.SyncEvery.Std(),
		SQLLogouts: c.SQLLogouts, ReadOnly: c.MySQL.Writes == "app"}), nil
}
