package redis

import (
	"context"
	"strings"

	"github.com/seed-41165957/crossfade/backends"
)

var _ backends.Peerer = (*Store)(nil)

// Peers implements backends.Peerer by CLIENT LIST: replicas and other servers'
// links are left out. An ACL user needs +client|list.
func (s *Store) Peers(ctx context.Context) (all []backends.Peer, own []string, err error) {
	if err := s.enter(ctx); err != nil {
		return nil, nil, err
	}
	nodes, err := s.layout.nodes(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, n := range nodes {
		list, err := n.control.ClientList(ctx).Result()
		if err != nil {
			return nil, nil, n.store.read(ctx, "peers", err)
		}
		for line := range strings.Lines(list) {
			var p backends.Peer
			flags := ""
			for _, f := range strings.Fields(line) {
				switch k, v, _ := strings.Cut(f, "="); k {
				case "addr":
					p.Addr = v
				case "name":
					p.Name = v
				case "flags":
					flags = v
				}
			}
			if !strings.ContainsAny(flags, "MSU") && p.Addr != "" { // master, replica, Unix socket
				all = append(all, p)
			}
		}
	}
	return all, s.dialed.Addrs(), nil
}
