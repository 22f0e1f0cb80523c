package parts

import (
	"cmp"

	"github.com/seed-41165957/crossfade/backends/redis"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
)

// redisOptions reads the secrets and certificates that the configuration names.
func redisOptions(c *config.Redis) (o redis.Options, err error) {
	o = redis.Options{Username: c.User, DB: c.Database}
	if o.Password, err = secret(c.PasswordFile); err != nil {
		return o, err
	}
	switch {
	case len(c.Sentinel.Addrs) > 0:
		o.Sentinel = redis.Sentinel{Addrs: c.Sentinel.Addrs, Master: c.Sentinel.Master, Username: c.Sentinel.User}
		if o.Sentinel.Password, err = secret(c.Sentinel.PasswordFile); err != nil {
			return o, err
		}
	case c.Clustered():
		o.Cluster = c.Addrs
	default:
		o.Addr = cmp.Or(c.Addrs...)
	}
	if c.TLS.On() {
		files := redis.TLSFiles{CAFile: c.TLS.CAFile, CertFile: c.TLS.CertFile, KeyFile: c.TLS.KeyFile, ServerName: c.TLS.ServerName}
		if files.CAFile == config.SystemCA {
			files.CAFile = ""
		}
		o.TLS, err = files.Config()
	}
	return o, err
}

func secret(f config.SecretFile) (redis.Secret, error) {
	if !f.Set() {
		return "", nil
	}
	text, err := f.Read()
	return redis.Secret(text), err
}
