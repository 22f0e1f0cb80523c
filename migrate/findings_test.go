package migrate

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
)

// sound is a site that a migration suits.
func sound() (*Observation, []kinds.Kind) {
	return &Observation{Agents: 2, Seen: darklaunch.Observed{Seconds: 600, Sessions: 1000, Reads: 9000, Writes: 5000, Deletes: 100,
			Lives: map[string]map[int64]uint64{"shop": {1440: 5000}}, Flags: map[string]map[uint32]uint64{"shop": {0: 5000}},
			LockSeconds: map[string]int64{"shop": 20}}, Rows: &Rows{Looked: 1000, Alike: 500, Changed: 300}},
		[]kinds.Kind{{Name: "shop", MaxAge: time.Hour, LockTTL: 30 * time.Second}}
}

// TestJudge: each thing that a migration does not suit is named, with its
// colour and with what to do; a sound site is green.
func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Observation, *kinds.Kind)
		want   Verdict
		find   string // in the name of the finding
		do     string
	}{
		{"a sound site", func(*Observation, *kinds.Kind) {}, Green, "", ""},
		{"no traffic", func(o *Observation, _ *kinds.Kind) { o.Seen.Reads, o.Seen.Writes, o.Seen.Deletes = 0, 0, 0 }, Red, "traffic", "listen"},
		{"one login under an old id", func(o *Observation, _ *kinds.Kind) { o.Seen.Revived = 1 }, Amber, "invalidation", "way B"},
		{"invalidation", func(o *Observation, _ *kinds.Kind) { o.Seen.Revived = 60 }, Red, "invalidation", "way B"},
		{"another form", func(o *Observation, _ *kinds.Kind) { o.Rows.Unlike = 400 }, Red, "the table holds", "way B"},
		{"a cron job", func(o *Observation, _ *kinds.Kind) { o.Rows.Bypassed = 10 }, Red, "past the agents", "cron"},
		{"a few writers", func(o *Observation, _ *kinds.Kind) { o.Rows.Bypassed = 2 }, Amber, "past the agents", "cron"},
		{"logouts by SQL", func(o *Observation, _ *kinds.Kind) { o.Rows.Deleted = 3 }, Amber, "deleted by SQL", "sql_logouts"},
		{"a small memcached", func(o *Observation, _ *kinds.Kind) { o.Rows.Only = 700 }, Amber, "only the table", "large enough"},
		{"too long a life", func(o *Observation, _ *kinds.Kind) { o.Seen.Lives["shop"][86400] = 3 }, Red, "shop: lives", "max_age to 24h0m0s"},
		{"for ever", func(o *Observation, _ *kinds.Kind) { o.Seen.Lives["shop"][-1] = 3 }, Amber, "shop: lives", "never end"},
		{"no max_age", func(_ *Observation, k *kinds.Kind) { k.MaxAge = 0 }, Amber, "shop: lives", "set max_age: 24m0s"},
		{"other flags", func(o *Observation, _ *kinds.Kind) { o.Seen.Flags["shop"][2] = 9000 }, Amber, "client flags", "set flags: 2"},
		{"a few other flags", func(o *Observation, _ *kinds.Kind) { o.Seen.Flags["shop"][2] = 9 }, Amber, "client flags", "second key"},
		{"long locks", func(o *Observation, _ *kinds.Kind) { o.Seen.LockSeconds["shop"] = 300 }, Amber, "locks", "lock_ttl"},
		{"unspoken", func(o *Observation, _ *kinds.Kind) { o.Unsupported = map[string]uint64{"incr": 3} }, Red, "not spoken", "clients get errors"},
		{"errors", func(o *Observation, _ *kinds.Kind) { o.Seen.Error = 3 }, Amber, "errors", "old did not answer"},
	} {
		o, ks := sound()
		c.change(o, &ks[0])
		o.Findings = judge(o, ks)
		if got := o.Worst(); got != c.want {
			t.Errorf("%s: %s, want %s: %+v", c.name, got, c.want, o.Findings)
		}
		for _, f := range o.Findings {
			if f.Verdict == Green {
				if f.Do != "" {
					t.Errorf("%s: %s is green, and says what to do", c.name, f.Name)
				}
				continue
			}
			if !strings.Contains(f.Name, c.find) || !strings.Contains(f.Do, c.do) {
				t.Errorf("%s: found %+v, want %q with %q", c.name, f, c.find, c.do)
			}
		}
	}
}
