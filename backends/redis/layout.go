package redis

import "context"

// layout says which server a key lies on, and finds out anew where that has
// changed. It is safe for concurrent use.
type layout interface {
	// node gives the server of a stored name. Its errors mean that nothing was
	// sent.
	node(ctx context.Context, name string) (*node, error)
	// again judges the error of a call to n. ok: nothing was changed, and the
	// call has another server to go to, or may be repeated there now.
	again(ctx context.Context, name string, n *node, err error, try int) (to hop, ok bool)
	// nodes gives all servers that have sessions now.
	nodes(ctx context.Context) ([]*node, error)
	// settle is Store.Settle, of a connection id that is well-formed.
	settle(ctx context.Context, id, runID string) error
	// serving are the nodes as they are known now, without asking; counted are
	// others that have connections: retired ones with parked calls.
	serving() []*node
	counted() []*node
	close() error
}

// hop is where a call goes next; a nil node means: ask node again.
type hop struct {
	node *node
	ask  bool // with ASKING
}

// at runs f on the server of a stored name, and again elsewhere as long as the
// answer was that nothing was changed and that the key lies there. A change
// that may have been sent is never repeated: its error is an Unknown.
func (s *Store) at(ctx context.Context, name string, f func(n *node, ask bool) error) error {
	if s.only != nil {
		return f(s.only, false)
	}
	var to hop
	for try := 0; ; try++ {
		if to.node == nil {
			n, err := s.layout.node(ctx, name)
			if err != nil {
				return err
			}
			to.node = n
		}
		err := f(to.node, to.ask)
		if err == nil {
			return nil
		}
		next, ok := s.layout.again(ctx, name, to.node, err, try)
		if !ok {
			return err
		}
		to = next
	}
}

// fixed is one server at one address.
type fixed struct{ only *node }

func (l fixed) node(context.Context, string) (*node, error)    { return l.only, nil }
func (l fixed) nodes(context.Context) ([]*node, error)         { return []*node{l.only}, nil }
func (l fixed) serving() []*node                               { return []*node{l.only} }
func (fixed) counted() []*node                                 { return nil }
func (l fixed) close() error                                   { return l.only.close() }
func (l fixed) settle(ctx context.Context, id, r string) error { return l.only.settle(ctx, id, r) }
func (fixed) again(context.Context, string, *node, error, int) (hop, bool) {
	return hop{}, false
}
