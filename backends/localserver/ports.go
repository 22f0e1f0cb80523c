package localserver

import (
	"errors"
	"math/rand/v2"
	"net"
	"runtime"
	"strconv"
	"sync"
)

const (
	// firstPort begins the ports of servers; each product names their end.
	firstPort = 10000
	// lowPorts ends what leaves room for port+10000 below clientPorts.
	lowPorts = clientPorts - 10000
	// clientPorts is where the kernel begins to hand out ports to clients.
	clientPorts = 32768
)

// claims are the ports of this process that are to be nobody else's: of a server
// that was killed nobody listens on the port until it is back, and another test
// on this machine would take it for free. A claim is a socket in Linux's abstract
// namespace: exclusive on the machine, gone with the process, and no file. Other
// systems have no such names; there two runs at once may meet.
var claims = struct {
	sync.Mutex
	held map[int]net.Listener // guarded by Mutex
}{held: map[int]net.Listener{}}

// claim takes port for this process and tells whether it could: nobody has
// claimed it, and nobody listens on it.
func claim(port int) bool {
	claims.Lock()
	defer claims.Unlock()
	if claims.held[port] != nil {
		return false
	}
	var c net.Listener
	if runtime.GOOS == "linux" {
		var err error
		if c, err = net.Listen("unix", "@crossfade-port-"+strconv.Itoa(port)); err != nil {
			return false
		}
	}
	l, err := net.Listen("tcp", at(port))
	if err != nil {
		if c != nil {
			c.Close()
		}
		return false
	}
	l.Close()
	if c == nil {
		c = l
	}
	claims.held[port] = c
	return true
}

// disclaim gives ports back.
func disclaim(ports ...int) {
	claims.Lock()
	defer claims.Unlock()
	for _, p := range ports {
		if c := claims.held[p]; c != nil {
			c.Close()
			delete(claims.held, p)
		}
	}
}

// claimFrom claims n ports in a row below end, and gives the first.
func claimFrom(begin, end, n int) (int, error) {
	for range 1000 {
		base := begin + rand.IntN(end-begin-n+1)
		got := 0
		for got < n && claim(base+got) {
			got++
		}
		if got == n {
			return base, nil
		}
		for p := range got {
			disclaim(base + p)
		}
	}
	return 0, errors.New("localserver: no free ports: end servers that nobody needs")
}

// FreeAddr is 127.0.0.1 with a port that nobody listens on and no server of this
// package will use as long as this process lives: for programs that are started
// by other means. The kernel gives clients others, too.
func FreeAddr() (string, error) {
	p, err := claimFrom(lowPorts, clientPorts, 1)
	return at(p), err
}

func at(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
