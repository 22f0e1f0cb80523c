package ring

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Distributions of NewRouter.
const (
	Ketama         = "ketama"
	KetamaWeighted = "ketama_weighted"
	Modulo         = "modulo"
)

// Server is one memcached of a ring.
type Server struct {
	Addr   string // host:port, or a path for a Unix socket
	Weight int    // 1 and more; 0 counts as 1
	// Name stands for it in the ring. Empty: host, or host:port where the port is
	// not 11211. (libmemcached has path:0 for a socket.)
	Name string
}

// ParseServer reads a server as nutcracker.yml has it: host:port[:weight] [name].
// unix:path may stand in place of host:port.
func ParseServer(text string) (Server, error) {
	fields := strings.Fields(text)
	if len(fields) < 1 || len(fields) > 2 {
		return Server{}, fmt.Errorf("%q: accepted is host:port[:weight] [name]", text)
	}
	s := Server{Addr: fields[0], Weight: 1}
	if len(fields) == 2 {
		s.Name = fields[1]
	}
	s.Addr = strings.TrimPrefix(s.Addr, "unix:")
	at := strings.LastIndexByte(s.Addr, ':')
	if at < 0 {
		if strings.HasPrefix(s.Addr, "/") {
			return s, nil
		}
		return Server{}, fmt.Errorf("%q: accepted is host:port[:weight] [name]", text)
	}
	head := s.Addr[:at]
	if _, _, err := net.SplitHostPort(head); err == nil || strings.HasPrefix(head, "/") {
		w, err := strconv.Atoi(s.Addr[at+1:])
		if err != nil || w < 1 || w > 1000 {
			return Server{}, fmt.Errorf("%q: accepted as a weight is 1 to 1000", text)
		}
		s.Addr, s.Weight = head, w
	}
	if strings.HasPrefix(s.Addr, "/") {
		return s, nil
	}
	host, port, err := net.SplitHostPort(s.Addr)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || host == "" || bad != nil || n == 0 {
		return Server{}, fmt.Errorf("%q: accepted is host:port[:weight] [name]", text)
	}
	return s, nil
}

// place is what is hashed to find the server's points.
func (s *Server) place() string {
	if s.Name != "" {
		return s.Name
	}
	if host, port, err := net.SplitHostPort(s.Addr); err == nil && port == "11211" {
		return host
	}
	return s.Addr
}
