//go:build !unix

package stream

import "net"

// nonBlocking is not known here: a goroutine writes.
func nonBlocking(net.Conn) func(b []byte) (int, error) { return nil }
