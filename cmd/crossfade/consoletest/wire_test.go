package consoletest

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"time"
)

// wire is one connection of a memcached client, with one command at a time.
type wire struct {
	net.Conn
	r *bufio.Reader
}

func dial(addr string) (*wire, error) {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	return &wire{c, bufio.NewReader(c)}, nil
}

// say sends a command, and returns the first line of the answer; of a get, what
// follows is read.
func (w *wire) say(command string) (string, error) {
	w.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintf(w, "%s\r\n", command); err != nil {
		return "", err
	}
	line, err := w.r.ReadString('\n')
	if strings.HasPrefix(line, "VALUE ") {
		for rest := ""; err == nil && rest != "END\r\n"; {
			rest, err = w.r.ReadString('\n')
		}
	}
	return strings.TrimSpace(line), err
}
