package storytest

import (
	"bufio"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
)

// who tells which of the processes it knows has opened a connection: the kernel
// lists a socket's ports with its inode (proc(5), /proc/net/tcp), and a
// process's descriptors name theirs. A look takes milliseconds: it is taken only
// when somebody's way is broken.
type who struct {
	mu   sync.Mutex
	pids map[string]int // guarded by mu
}

func (w *who) is(name string, pid int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pids == nil {
		w.pids = map[string]int{}
	}
	w.pids[name] = pid
}

// opened gives a name for each connection; empty: none of those known.
func (w *who) opened(conns []net.Conn) []string {
	names := make([]string, len(conns))
	if len(conns) == 0 {
		return names
	}
	owner := map[string]string{} // by inode
	w.mu.Lock()
	for name, pid := range w.pids {
		dir := "/proc/" + strconv.Itoa(pid) + "/fd"
		fds, _ := os.ReadDir(dir)
		for _, fd := range fds {
			if to, err := os.Readlink(dir + "/" + fd.Name()); err == nil && strings.HasPrefix(to, "socket:[") {
				owner[strings.TrimSuffix(strings.TrimPrefix(to, "socket:["), "]")] = name
			}
		}
	}
	w.mu.Unlock()
	inodes := map[[2]int]string{} // by the socket's own port and its peer's
	if f, err := os.Open("/proc/net/tcp"); err == nil {
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			if v := strings.Fields(s.Text()); len(v) > 9 {
				inodes[[2]int{portOf(v[1]), portOf(v[2])}] = v[9]
			}
		}
	}
	for i, c := range conns {
		names[i] = owner[inodes[[2]int{c.RemoteAddr().(*net.TCPAddr).Port, c.LocalAddr().(*net.TCPAddr).Port}]]
	}
	return names
}

// portOf reads 0100007F:1F90.
func portOf(s string) int {
	_, hex, _ := strings.Cut(s, ":")
	n, _ := strconv.ParseInt(hex, 16, 32)
	return int(n)
}
