package redis

import "strings"

// ACLRule is the least that an ACL user must have for a Store of this
// migration whose sessions and locks begin with one of the prefixes: to follow
// "ACL SETUSER name on >password". (Redis 6 and later; tried with 7.0.15. Before
// 7.0 write +script and +client and +cluster without what follows the bar.) No
// right of a Sentinel is in it: there, "+auth +hello +ping +sentinel|master
// +sentinel|get-master-addr-by-name".
func ACLRule(migration string, prefixes []string) string {
	words := []string{"resetkeys", "resetchannels", "-@all"}
	for _, p := range append([]string{"crossfade:" + migration + ":"}, prefixes...) {
		words = append(words, "~"+globEscaper.Replace(p)+"*")
	}
	words = append(words,
		"+get", "+mget", "+set", "+del", "+exists", "+pttl", "+pexpire", "+pexpireat", "+persist", "+sadd", "+srem", "+smembers",
		"+watch", "+unwatch", "+multi", "+exec", "+eval", "+evalsha", "+script|load", "+time", "+scan", "+dbsize",
		"+ping", "+select", "+info", "+role", "+client|id", "+client|kill",
		"+asking", "+cluster|slots", "+cluster|nodes", "+cluster|info")
	return strings.Join(words, " ")
}
