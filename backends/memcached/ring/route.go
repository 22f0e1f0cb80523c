package ring

import (
	"cmp"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// Router says which server a key is on.
type Router struct {
	hash   func(string) uint32
	points []point // by value; empty: modulo
	slots  []int   // of modulo: a server as often as its weight says
}

type point struct {
	value  uint32
	server int
}

// NewRouter makes the router of a client whose settings are these. Distribution
// is one of
//
//	ketama           libmemcached's consistent hashing (php-memcached's default)
//	                 while all weights are 1: 100 points a server
//	ketama_weighted  libketama's: libmemcached's once a weight is not 1 or
//	                 LIBKETAMA_COMPATIBLE is on, and twemproxy's ketama
//	modulo           the hash by the number of servers, in their order. twemproxy
//	                 sorts them by name, the shorter first
//
// and hash, of the key, md5 (any ketama of libmemcached), fnv1a_64 (twemproxy's
// default) or one_at_a_time (libmemcached's default with modulo); empty: md5 for
// ketama, one_at_a_time for modulo. The server's place in the ring is always made
// with md5. (libmemcached 1.1.4, hosts.cc; twemproxy 0.5.0, nc_ketama.c and
// nc_modula.c; all tried.)
func NewRouter(servers []Server, distribution, hash string) (*Router, error) {
	if len(servers) == 0 {
		return nil, fmt.Errorf("ring: no servers")
	}
	if distribution == Ketama && slices.ContainsFunc(servers, func(s Server) bool { return s.Weight > 1 }) {
		distribution = KetamaWeighted // as libmemcached does
	}
	r := &Router{}
	switch distribution {
	case Ketama:
		hash = cmp.Or(hash, "md5")
		r.even(servers)
	case KetamaWeighted:
		hash = cmp.Or(hash, "md5")
		r.weighted(servers)
	case Modulo:
		hash = cmp.Or(hash, "one_at_a_time")
		for i, s := range servers {
			for range max(1, s.Weight) {
				r.slots = append(r.slots, i)
			}
		}
	default:
		return nil, fmt.Errorf("ring: distribution %q: accepted are %s, %s and %s", distribution, Ketama, KetamaWeighted, Modulo)
	}
	var ok bool
	if r.hash, ok = hashes[hash]; !ok {
		return nil, fmt.Errorf("ring: hash %q: accepted are md5, fnv1a_64 and one_at_a_time", hash)
	}
	slices.SortStableFunc(r.points, func(a, b point) int { return cmp.Compare(a.value, b.value) })
	return r, nil
}

// even puts 100 points a server into the ring, a digest each.
func (r *Router) even(servers []Server) {
	for i, s := range servers {
		for n := range 100 {
			r.points = append(r.points, point{md5Hash(fmt.Sprintf("%s-%d", s.place(), n)), i})
		}
	}
}

// weighted puts 160 points a server of average weight into the ring, four of
// each digest. It counts in the floats of the original, or its rounding would
// differ.
func (r *Router) weighted(servers []Server) {
	total := 0
	for _, s := range servers {
		total += max(1, s.Weight)
	}
	for i, s := range servers {
		share := float32(max(1, s.Weight)) / float32(total)
		points := share * 160
		points /= 4
		points *= float32(len(servers))
		digests := int(math.Floor(float64(float32(float64(points) + 0.0000000001))))
		for n := range digests {
			sum := md5.Sum(fmt.Appendf(nil, "%s-%d", s.place(), n))
			for at := 0; at < len(sum); at += 4 {
				r.points = append(r.points, point{binary.LittleEndian.Uint32(sum[at:]), i})
			}
		}
	}
}

// Route gives the number of the server that has the key: its place in what
// NewRouter was given.
func (r *Router) Route(key string) int {
	if len(r.slots) > 0 {
		return r.slots[int(r.hash(key)%uint32(len(r.slots)))]
	}
	h := r.hash(key)
	at, _ := slices.BinarySearchFunc(r.points, h, func(p point, h uint32) int { return cmp.Compare(p.value, h) })
	if at == len(r.points) {
		at = 0
	}
	return r.points[at].server
}
