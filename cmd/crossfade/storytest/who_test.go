package storytest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
)

// who tells which of the processes it knows has opened a connection: the kernel
// lists a socket's ports with its inode (proc(5), /proc/net/tcp), and a
// process's descriptors name theirs.
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

// opened gives the name; empty: none of those known.
func (w *who) opened(c net.Conn) string {
	inode := inodeOf(c.RemoteAddr().(*net.TCPAddr).Port, c.LocalAddr().(*net.TCPAddr).Port)
	if inode == "" {
		return ""
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, pid := range w.pids {
		dir := "/proc/" + strconv.Itoa(pid) + "/fd"
		fds, _ := os.ReadDir(dir)
		for _, fd := range fds {
			if to, err := os.Readlink(dir + "/" + fd.Name()); err == nil && to == "socket:["+inode+"]" {
				return name
			}
		}
	}
	return ""
}

// inodeOf is of the socket that is bound to the first port and connected to the
// second.
func inodeOf(local, remote int) string {
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		return ""
	}
	defer f.Close()
	from, to := fmt.Sprintf(":%04X", local), fmt.Sprintf(":%04X", remote)
	for s := bufio.NewScanner(f); s.Scan(); {
		if v := strings.Fields(s.Text()); len(v) > 9 && strings.HasSuffix(v[1], from) && strings.HasSuffix(v[2], to) {
			return v[9]
		}
	}
	return ""
}
