package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/seed-41165957/crossfade/darklaunch/kinds"
)

// Digest stands for what all agents of a migration must have alike: stores,
// kinds, bucketing, hash key (flags.Hasher.Digest) and version. It is part of
// every acknowledgement; one that differs stops the step, by name. 32 hex
// digits. Passwords and the paths of their files are not in it, nor is what
// may differ from host to host (listen, timeouts, queues).
func (c *Config) Digest(bucketing, keyDigest, version string) string {
	old, new := filled(c.Old), filled(c.New)
	b, err := json.Marshal(struct {
		Format             int // raised when this list changes
		Migration          string
		Old, New           Store
		Kinds              any
		Bucketing          string
		KeyDigest, Version string
		ClientFlags        bool // kept in Redis: parts.OpenStore
	}{3, c.Migration, old, new, normal(c.Sessions), bucketing, keyDigest, version, len(c.Listen.Memcached) > 0})
	if err != nil {
		panic("config: digest: " + err.Error()) // plain data: cannot fail
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// normal fills in the kinds' defaults, where they compile.
func normal(list []Session) any {
	c := Config{Sessions: list}
	set, err := kinds.Compile(c.Kinds())
	if err != nil {
		return c.Kinds()
	}
	return set.Kinds()
}
