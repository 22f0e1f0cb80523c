package darklaunch

import (
	"context"
	"errors"

	"github.com/seed-41165957/crossfade/backends"
)

// ErrNoPeers is returned where old cannot say who is connected to it.
var ErrNoPeers = errors.New("darklaunch: old does not tell who is connected to it")

// Peers are the connections to old's servers, and this agent's own among them.
// Of a store of two tiers both are asked.
func (l *Layer) Peers(ctx context.Context) (all []backends.Peer, own []string, err error) {
	return PeersOf(ctx, l.o.Old.Store)
}

// PeersOf asks a store, and its tiers where it has two.
func PeersOf(ctx context.Context, s backends.Store) (all []backends.Peer, own []string, err error) {
	stores := []backends.Store{s}
	if t, ok := s.(backends.Tiered); ok {
		fast, slow := t.Tiers()
		stores = []backends.Store{fast, slow}
	}
	err = ErrNoPeers
	for _, s := range stores {
		p, ok := s.(backends.Peerer)
		if !ok {
			continue
		}
		more, ours, e := p.Peers(ctx)
		if e != nil {
			return nil, nil, e
		}
		all, own, err = append(all, more...), append(own, ours...), nil
	}
	return all, own, err
}
