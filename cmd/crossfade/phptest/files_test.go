package phptest

import (
	"fmt"
	"math"
	"testing"
)

// filesKeys is PHP's files handler today, whose key is the bare id, and phpredis
// tomorrow.
const filesKeys = `
  - name: php
    keys: ["{id: [A-Za-z0-9,-]+}", "PHPREDIS_SESSION:{id}"]
    locks: ["{id}_LOCK", "PHPREDIS_SESSION:{id}_LOCK"]
    new_key: "PHPREDIS_SESSION:{id}"
    new_lock: "PHPREDIS_SESSION:{id}_LOCK"
    format: php
    max_age: 1h
`

// TestPHPFiles moves sessions from PHP's own files to Redis. First half of the
// requests go to PHP with the files handler, natively, and half to phpredis
// through the agent, over the same files; then all go through the agent, and
// the migration runs.
func TestPHPFiles(t *testing.T) {
	t.Parallel()
	const users, clicksEach = 20, 12
	dir := t.TempDir()
	f := newFleet(t, 1, setting{sessions: filesKeys, old: fmt.Sprintf(`{files: {dir: %q, max_lifetime: 24m}}`, dir), patience: "15s", new: redisAt(redisServer(t))})
	c := &crowd{t: t, pause: thinking}
	native := newHost(t, "native", []string{"session.save_handler=files", "session.save_path=" + dir})
	first := newHost(t, "through the agent", throughRedis(f.agents[0].redis, true))
	second := newHost(t, "through the agent too", throughRedis(f.agents[0].redis, true))
	c.hosts[0].put(t, native)
	c.hosts[1].put(t, first)
	watch := func(name string, steps ...[]string) {
		t.Helper()
		c.at(name)
		for _, s := range steps {
			f.crossfade(s...)
		}
		c.until(users * clicksEach)
		c.seance(50)
	}
	c.at("files and agent")
	idle := c.loginMany(users)
	c.start(users)
	watch("files and agent")
	c.hosts[0].put(t, second)
	watch("off")
	watch("mirror", []string{"ramp", "mirror", "100"})
	watch("read-new", []string{"backfill"}, []string{"verify"}, []string{"ramp", "read-new", "100"})
	watch("cutover", []string{"ramp", "cutover", "100"})
	c.finish()
	each(8, idle, func(u *user) { c.click(u, "click") })
	c.seance(math.MaxInt)
	c.judge(native, first, second)
}
