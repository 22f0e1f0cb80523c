package config

// redis checks one Redis store.
func (k *checker) redis(at string, r *Redis) {
	switch watched := r.Sentinel; {
	case watched.set():
		if len(r.Addrs) > 0 || r.Cluster {
			k.bad(at+".sentinel", "stands beside addrs or cluster: accepted is sentinel alone, which names the server")
		}
		k.servers(at+".sentinel.addrs", watched.Addrs, false)
		if watched.Master == "" {
			k.bad(at+".sentinel.master", "is empty: accepted is the name under which the Sentinels watch the primary")
		}
	case r.Clustered():
		k.servers(at+".addrs", r.Addrs, false)
	default:
		k.servers(at+".addrs", r.Addrs, true)
	}
	if r.Database < 0 || r.Database > 0 && r.Clustered() {
		k.bad(at+".database", "%d: accepted is 0 or more, and 0 in a cluster", r.Database)
	}
	if r.Proxied && (r.Sentinel.set() || r.Clustered() || r.Database != 0 || r.User != "") {
		k.bad(at+".proxied", "stands beside sentinel, cluster, a database or a user, which twemproxy has not: accepted is one address, with or without a password")
	}
	if (r.TLS.CertFile == "") != (r.TLS.KeyFile == "") {
		k.bad(at+".tls", "cert_file without key_file, or the reverse: accepted are both or none")
	}
}
