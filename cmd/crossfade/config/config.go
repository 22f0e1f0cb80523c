// Package config reads crossfade.yaml. It promises that what it does not know
// it refuses, that every problem is reported at once with its line and with
// what is accepted there, and that a Config it returned can be run.
//
//	c, err := config.Load("crossfade.yaml")
//	if err != nil { … } // "crossfade.yaml:12: breaker.failures: 0: accepted is 1 or more"
//	c.Timeouts.New.Std()
//
// crossfade.reference.yaml, at the root of the repository, has every key with
// its default; a test keeps it true.
package config

// Config is the whole file. Default gives what may be left out.
type Config struct {
	Migration string    `yaml:"migration"`
	Agent     Agent     `yaml:"agent"`
	Listen    Listen    `yaml:"listen"`
	Sessions  []Session `yaml:"sessions"`
	Old       Store     `yaml:"old"`
	New       Store     `yaml:"new"`
	Flags     Flags     `yaml:"flags"`
	Timeouts  Timeouts  `yaml:"timeouts"`
	Breaker   Breaker   `yaml:"breaker"`
	Dirty     Dirty     `yaml:"dirty"`
	ReadNew   ReadNew   `yaml:"read_new"`
	Mirror    Mirror    `yaml:"mirror"`
	Compare   Compare   `yaml:"compare"`
	Cutover   Cutover   `yaml:"cutover"`
	Server    Server    `yaml:"server"`
}

// Agent is what this process is.
type Agent struct {
	Name     string `yaml:"name"`
	StateDir string `yaml:"state_dir"`
	KeyFile  string `yaml:"key_file"`
}

// Listen is where clients and operators reach it: host:port or unix:path.
type Listen struct {
	Memcached []string `yaml:"memcached"`
	Redis     []string `yaml:"redis"`
	HTTP      []string `yaml:"http"`
	// What clients of Redis say, so that their configuration can stay as it is.
	RedisUser         string     `yaml:"redis_user"`
	RedisPasswordFile SecretFile `yaml:"redis_password_file"`
	Connections       int        `yaml:"connections"` // of clients, for each of the three
	TLS               ServerTLS  `yaml:"tls"`         // of the addresses that begin with tls:
	Admin             string     `yaml:"admin"`
	AdminTokenFile    SecretFile `yaml:"admin_token_file"`
}

// Session is one kind of sessions: see package kinds.
type Session struct {
	Name    string   `yaml:"name"`
	Keys    []string `yaml:"keys"`
	Locks   []string `yaml:"locks"`
	NewKey  string   `yaml:"new_key"`
	NewLock string   `yaml:"new_lock"`
	Format  string   `yaml:"format"`
	Ignore  []string `yaml:"ignore"`
	Route   string   `yaml:"route"`
	MaxAge  Duration `yaml:"max_age"`
	LockTTL Duration `yaml:"lock_ttl"`
	Flags   uint32   `yaml:"flags"`
	Stays   string   `yaml:"stays" json:",omitempty"`
}

// Store is one store: exactly one of the fields is set.
type Store struct {
	Memory    *Memory    `yaml:"memory" json:",omitempty"`
	Files     *Files     `yaml:"files" json:",omitempty"`
	Memcached *Memcached `yaml:"memcached" json:",omitempty"`
	MySQL     *MySQL     `yaml:"mysql" json:",omitempty"`
	Hybrid    *Hybrid    `yaml:"hybrid" json:",omitempty"`
	Redis     *Redis     `yaml:"redis" json:",omitempty"`
	DynamoDB  *DynamoDB  `yaml:"dynamodb" json:",omitempty"`
}

// Memory is a store inside the process, for trials.
type Memory struct{}

// Files is the folder of PHP's own files handler.
type Files struct {
	Dir         string   `yaml:"dir" json:"-"` // session.save_path; each host's own, so no part of the digest
	MaxLifetime Duration `yaml:"max_lifetime"` // session.gc_maxlifetime
	Owner       string   `yaml:"owner"`
}

// Memcached is a memcached server, a ring of them, or a pair of two that hold the
// same.
type Memcached struct {
	Servers []string `yaml:"servers"`  // host:port[:weight] [name]
	Hash    string   `yaml:"hash"`     // how keys are spread over them
	KeyHash string   `yaml:"key_hash"` // the hash of a key; empty: the usual one
	// Replicated says who keeps two servers the same: agents (ByAgents) or the
	// servers themselves (ByServers). Empty: they are a ring.
	Replicated string `yaml:"replicated" json:",omitempty"`
}

// Values of Memcached.Replicated.
const (
	ByAgents  = "by-agents"
	ByServers = "by-servers"
)

// MySQL is a table of sessions.
type MySQL struct {
	Hosts        []string     `yaml:"hosts"`
	Database     string       `yaml:"database"`
	User         string       `yaml:"user"`
	PasswordFile SecretFile   `yaml:"password_file"`
	Table        string       `yaml:"table"`
	OwnTable     string       `yaml:"own_table"`
	Preset       string       `yaml:"preset"`
	Columns      MySQLColumns `yaml:"columns"`
	Writes       string       `yaml:"writes"`
	SyncWait     string       `yaml:"sync_wait"`
	TLS          MySQLTLS     `yaml:"tls"`
}

// MySQLColumns names the columns of the table, instead of a preset.
type MySQLColumns struct {
	ID       string `yaml:"id"`
	Data     string `yaml:"data"`
	Expires  string `yaml:"expires"`
	Expiry   string `yaml:"expiry"`
	Time     string `yaml:"time"`
	Flags    string `yaml:"flags"`
	TimeZone string `yaml:"time_zone"`
}

// MySQLTLS are the files of TLS; none: no TLS.
type MySQLTLS struct {
	CAFile     string     `yaml:"ca_file"`
	ServerName string     `yaml:"server_name"`
	CertFile   string     `yaml:"cert_file"`
	KeyFile    SecretFile `yaml:"key_file"`
}

// Hybrid is memcached in front of MySQL.
type Hybrid struct {
	Memcached Memcached `yaml:"memcached"`
	MySQL     MySQL     `yaml:"mysql"`
	KeyPrefix string    `yaml:"key_prefix"`
	SyncEvery Duration  `yaml:"sync_every"`
	// SQLLogouts takes a row that somebody has deleted for a logout.
	SQLLogouts bool `yaml:"sql_logouts"`
	Reap       Reap `yaml:"reap"`
}

// Reap is the walk over expired rows.
type Reap struct {
	Every Duration `yaml:"every"` // 0s: agents do not walk
	Batch int      `yaml:"batch"`
	Pause Duration `yaml:"pause"`
}

// Redis is a Redis server (one of Addrs), a cluster (several, or Cluster), or
// the primary that Sentinel names.
type Redis struct {
	Addrs        []string      `yaml:"addrs"`
	Cluster      bool          `yaml:"cluster" json:",omitempty"`
	Proxied      bool          `yaml:"proxied" json:",omitempty"` // addrs is a twemproxy
	Sentinel     RedisSentinel `yaml:"sentinel" json:",omitzero"`
	User         string        `yaml:"user"`
	PasswordFile SecretFile    `yaml:"password_file"`
	Database     int           `yaml:"database"`
	TLS          RedisTLS      `yaml:"tls" json:",omitzero"`
}

// RedisSentinel is where the primary's address is asked for.
type RedisSentinel struct {
	Addrs        []string   `yaml:"addrs"`
	Master       string     `yaml:"master"`
	User         string     `yaml:"user"`
	PasswordFile SecretFile `yaml:"password_file"`
}

func (s RedisSentinel) set() bool {
	return len(s.Addrs) > 0 || s.Master != "" || s.User != "" || s.PasswordFile.Set()
}

// RedisTLS is spoken where one of its keys is set. Hosts may keep the files
// elsewhere, so those are not in the digest.
type RedisTLS struct {
	CAFile     string `yaml:"ca_file" json:"-"`
	CertFile   string `yaml:"cert_file" json:"-"`
	KeyFile    string `yaml:"key_file" json:"-"`
	ServerName string `yaml:"server_name"`
}

// SystemCA is the ca_file that stands for the system's own authorities.
const SystemCA = "system"

// On tells whether TLS is spoken.
func (t RedisTLS) On() bool { return t != RedisTLS{} }

// Clustered tells whether the servers are a cluster.
func (r *Redis) Clustered() bool { return r.Cluster || len(r.Addrs) > 1 }

// DynamoDB is a table there.
type DynamoDB struct {
	Table string `yaml:"table"`
}

// Flags is where revisions come from, and who has to acknowledge them.
type Flags struct {
	File   string   `yaml:"file"`
	Server []string `yaml:"server"`
	// URL is where the flags are asked for that are made elsewhere, and TokenFile
	// holds the bearer token that is shown there.
	URL       string     `yaml:"url"`
	TokenFile SecretFile `yaml:"token_file"`
	Agents    []string   `yaml:"agents"`
	// CAFile signs the servers' certificates; or: system. Empty: no TLS.
	CAFile string `yaml:"ca_file"`
	// CertFile and KeyFile are ours, where servers ask for them.
	CertFile string     `yaml:"cert_file"`
	KeyFile  SecretFile `yaml:"key_file"`
	// Insecure lets the token travel in clear to servers and agents off loopback,
	// and flags from a URL.
	Insecure bool `yaml:"insecure"`
}

// Timeouts of calls to the stores.
type Timeouts struct {
	Old  Duration `yaml:"old"`
	New  Duration `yaml:"new"`
	Copy Duration `yaml:"copy"`
	Dial Duration `yaml:"dial"`
}

// Breaker says when calls to a failing store are skipped.
type Breaker struct {
	Failures int      `yaml:"failures"`
	Period   Duration `yaml:"period"`
}

// Dirty bounds the set of sessions whose copy is behind.
type Dirty struct {
	Max int `yaml:"max"`
}

// ReadNew says what a write does in settled read-new when old fails.
type ReadNew struct {
	Unconfirmed string `yaml:"unconfirmed"`
}

// Mirror bounds the queue of writes that follow their answer.
type Mirror struct {
	Queue      int  `yaml:"queue"`
	QueueBytes Size `yaml:"queue_bytes"`
}

// Compare is the comparison of sampled reads.
type Compare struct {
	Ratio   float64  `yaml:"ratio"`
	Recheck Duration `yaml:"recheck"`
}

// Cutover says how long old is written after cutover.
type Cutover struct {
	KeepOld Duration `yaml:"keep_old"`
}
