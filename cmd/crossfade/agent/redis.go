package agent

import (
	"fmt"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/frontends/redis"
)

// redisOptions are what lets clients of Redis keep the password and the database
// of their configuration.
func redisOptions(c *config.Config) (o redis.Options, err error) {
	o.User = c.Listen.RedisUser
	if f := c.Listen.RedisPasswordFile; f.Set() {
		if o.Password, err = f.Read(); err != nil {
			return o, fmt.Errorf("listen.redis_password_file: %w", err)
		}
	}
	for _, s := range []config.Store{c.Old, c.New} {
		if s.Redis != nil && s.Redis.Database != 0 {
			o.Databases = append(o.Databases, s.Redis.Database)
		}
	}
	return o, nil
}
