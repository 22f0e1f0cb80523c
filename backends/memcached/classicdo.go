package memcached

import (
	"bytes"
	"errors"

	"github.com/bradfitz/gomemcache/memcache"
)

// do runs one command through gomemcache and puts its result into a. What the
// commands of old cannot do in one step is done with what they have: a read
// without the value is a read; compare-and-delete is a cas with an expiry in
// the past (the server says STORED, and the item is gone).
func (x *slot) do(cmd *command, a *answer) error {
	*a = answer{left: leftUnknown}
	item := memcache.Item{
		Key: cmd.key, Value: cmd.data, Flags: cmd.flags, Expiration: int32(cmd.exp), CasID: cmd.cas,
	}
	var err error
	switch cmd.verb {
	case vGet, vLook:
		var it *memcache.Item
		if it, err = x.client.Get(cmd.key); err == nil {
			a.data, a.size, a.flags, a.cas = it.Value, len(it.Value), it.Flags, it.CasID
		}
	case vSet:
		err = x.client.Set(&item)
	case vAdd:
		err = x.client.Add(&item)
	case vSwap:
		err = x.client.CompareAndSwap(&item)
	case vBump:
		err = x.client.Append(&item)
	case vTouch:
		err = x.client.Touch(cmd.key, int32(cmd.exp))
	case vDelete:
		err = x.client.Delete(cmd.key)
	case vDeleteIf:
		item.Value, item.Expiration = nil, -1
		err = x.client.CompareAndSwap(&item)
	}
	switch {
	case errors.Is(err, memcache.ErrCacheMiss):
		a.status, err = stMissing, nil
	case errors.Is(err, memcache.ErrCASConflict):
		a.status, err = stExists, nil
	case errors.Is(err, memcache.ErrNotStored):
		a.status, err = stNotStored, nil
	}
	if err != nil || a.status != stOK || !(cmd.token || cmd.verb == vTouch) {
		return err
	}
	it, err := x.client.Get(cmd.key)
	switch {
	case errors.Is(err, memcache.ErrCacheMiss):
		return nil
	case err != nil:
		return err
	case cmd.verb == vTouch:
		a.size, a.flags, a.cas = len(it.Value), it.Flags, it.CasID
	case it.Flags == cmd.flags && bytes.Equal(it.Value, cmd.data):
		a.cas = it.CasID
	}
	return nil
}
