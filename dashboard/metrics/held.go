package metrics

import (
	"sync"
	"sync/atomic"
)

// held keeps child series by their labels, so that no call looks them up by
// hashing strings. There are few in each: they are gone through one by one.
type held[K comparable, V any] struct {
	list atomic.Pointer[[]child[K, V]]
	mu   sync.Mutex // of who adds one
}

type child[K comparable, V any] struct {
	key K
	val V
}

// of gives the child of these labels, which is made when it is first asked for.
func (h *held[K, V]) of(key K, made func() V) V {
	if v, ok := h.find(key); ok {
		return v
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if v, ok := h.find(key); ok {
		return v
	}
	c := child[K, V]{key, made()}
	var list []child[K, V]
	if was := h.list.Load(); was != nil {
		list = append(list, *was...)
	}
	list = append(list, c)
	h.list.Store(&list)
	return c.val
}

func (h *held[K, V]) find(key K) (v V, ok bool) {
	list := h.list.Load()
	if list == nil {
		return v, false
	}
	for i := range *list {
		if (*list)[i].key == key {
			return (*list)[i].val, true
		}
	}
	return v, false
}
