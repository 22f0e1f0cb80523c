package config

import "time"

// Default is what a key has that the file leaves out. What has no default
// (migration, sessions, old, new, flags.file) is empty here.
func Default() Config {
	return Config{
		// agent.name: the host's name, filled in by Load.
		Agent: Agent{
			StateDir: "state",    // beside the process, as in the package's unit file
			KeyFile:  "hash.key", // made at the first start, 0600
		},
		// Loopback: who can reach it sees everything but ids.
		Listen: Listen{
			Admin:       "127.0.0.1:9311",
			Connections: 10_000, // at rest 80 MB; the unit allows 65,536 files
		},
		Timeouts: Timeouts{
			Old: Duration(time.Second), // the application's own, nearly always 1 s or more; shorter would make errors that it did not have
			// In mirror, fenced, a write waits for new once a breaker period:
			// 250 ms is the longest that a page view does not show. Not less:
			// a healthy store's worst millisecond is some 50.
			New: Duration(250 * time.Millisecond),
			// A copy is nobody's request; tombstones live twice as long
			// (RULES.md, 8), so longer would fill new with them.
			Copy: Duration(10 * time.Second),
			Dial: Duration(250 * time.Millisecond), // one lost SYN is sent again after 1 s: too late anyway
		},
		Breaker: Breaker{
			Failures: 5,                     // in a row: fewer opens on one lost packet to a busy server
			Period:   Duration(time.Second), // what a dead new may cost a request, once
		},
		Dirty:   Dirty{Max: 100_000},            // about 20 MB; past that all is dirty, and a verification is cheaper
		ReadNew: ReadNew{Unconfirmed: "accept"}, // passed the model for any single fault: old's death is not the site's
		Mirror: Mirror{
			Queue:      10_000,   // operations: one second of a busy host
			QueueBytes: 64 << 20, // memory that new's slowness may take from old's path
		},
		Compare: Compare{
			Ratio:   0.1,                              // of mirrored reads: one read more on new for ten
			Recheck: Duration(200 * time.Millisecond), // a race is over by then: four times the worst mirror lag seen
		},
		Server: Server{
			Listen:   "127.0.0.1:9310", // loopback, as listen.admin
			StateDir: "server",
			Lease:    Duration(5 * time.Second), // a database's hiccup is shorter; a step waits for locks longer
			// Two that fail in a row are told within some 10 s; a page view costs more.
			Synthetic: Duration(5 * time.Second),
		},
		Cutover: Cutover{KeepOld: Duration(24 * time.Hour)}, // a working day in which to take cutover back
	}
}

// Defaults inside lists and stores, which Default cannot hold.
const (
	DefaultHash      = "ketama" // libmemcached's consistent hashing, php-memcached's for sessions
	DefaultTable     = "sessions"
	DefaultOwnTable  = "crossfade"
	DefaultPreset    = "plain" // where no columns are named
	DefaultWrites    = "layer"
	DefaultSyncWait  = "on"                             // a read through one node of Galera sees a write through another
	DefaultReapBatch = 500                              // a millisecond of the table
	DefaultReapPause = Duration(100 * time.Millisecond) // 5,000 rows a second at most
	DefaultSyncEvery = Duration(120 * time.Second)      // the reference application's own
)
