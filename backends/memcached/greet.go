package memcached

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/backends/stream"
)

const readBuffer = 64 << 10

// errNoMeta says that the server does not know the meta commands.
var errNoMeta = errors.New("memcached: the server has no meta commands")

var errFull = errors.New("memcached: too many open connections; raise the server's -c")

// facts are what the server says of itself.
type facts struct {
	version   string
	runID     string // empty where the server does not tell
	evictions uint64
	itemMax   uint64 // bytes of an item with its header; 0: not told
	noCAS     bool   // started with -C: no tokens, no guards
	started   uint64 // Unix time
}

// connect dials and greets. The greeting matters for Settle too: once it was
// answered the server has accepted the connection, and lists it for as long as
// it can still read from it.
func (s *Store) connect(ctx context.Context) (*stream.Conn, error) {
	nc, br, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	f, err := greet(nc, br)
	if !stop() { // closed by us: what the greeting says of that is not why
		err = ctx.Err()
	}
	if errors.Is(err, io.EOF) {
		err = s.speaks(ctx)
	}
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("memcached: greet: %w", err)
	}
	nc.SetDeadline(time.Time{})
	s.name(&f)
	s.facts.Store(&f)
	return stream.NewConn(nc, br, localName(nc), f.runID), nil
}

// name ends the run id with the server's name, if it was given one: two servers
// may have the same process number and start.
func (s *Store) name(f *facts) {
	if s.opts.Name != "" {
		f.runID += "@" + s.opts.Name
	}
}

// open dials one plain connection, which ends at ctx's deadline unless that is
// moved.
func (s *Store) open(ctx context.Context) (net.Conn, *bufio.Reader, error) {
	nc, err := s.opts.Dial(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("memcached: connect: %w", err)
	}
	nc = s.dialed.Track(nc)
	if t, ok := ctx.Deadline(); ok {
		nc.SetDeadline(t)
	}
	return nc, bufio.NewReaderSize(nc, readBuffer), nil
}

// speaks tells what a closed connection meant: a proxy closes it for a command
// that it does not know (twemproxy does), but answers version. A server that is
// going away does not.
func (s *Store) speaks(ctx context.Context) error {
	nc, br, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	return cmp.Or(version(nc, br), errNoMeta)
}

// version asks what everything that speaks the protocol answers.
func version(nc net.Conn, br *bufio.Reader) error {
	if _, err := io.WriteString(nc, "version\r\n"); err != nil {
		return err
	}
	line, err := readLine(br)
	switch {
	case err != nil:
		return err
	case strings.HasPrefix(string(line), "ERROR Too many open"):
		return errFull
	case !strings.HasPrefix(string(line), "VERSION "):
		return errProtocol
	}
	return nil
}

// greet asks for meta and for what the server is. A server of old answers
// ERROR to mn.
func greet(nc net.Conn, br *bufio.Reader) (facts, error) {
	if _, err := io.WriteString(nc, "mn\r\n"); err != nil {
		return facts{}, err
	}
	line, err := readLine(br)
	switch {
	case err != nil:
		return facts{}, err
	case string(line) == "ERROR":
		return facts{}, errNoMeta
	case strings.HasPrefix(string(line), "ERROR Too many open"):
		return facts{}, errFull
	case string(line) != "MN":
		return facts{}, errProtocol
	}
	return ask(nc, br)
}

// ask reads the server's facts. A server that refuses them is taken as it is.
func ask(nc net.Conn, br *bufio.Reader) (facts, error) {
	var f facts
	var pid string
	err := stats(nc, br, "stats", func(name, value string) {
		switch name {
		case "pid":
			pid = value
		case "version":
			f.version = value
		case "evictions":
			f.evictions, _ = number([]byte(value))
		case "time":
			n, _ := number([]byte(value))
			f.started += n
		case "uptime":
			n, _ := number([]byte(value))
			f.started -= n
		}
	})
	if err == nil && pid != "" {
		f.runID = fmt.Sprintf("%s-%d", pid, f.started)
	}
	if err == nil {
		err = stats(nc, br, "stats settings", func(name, value string) {
			switch name {
			case "item_size_max":
				f.itemMax, _ = number([]byte(value))
			case "cas_enabled":
				f.noCAS = value == "no"
			}
		})
	}
	if errors.Is(err, errRefused) {
		err = nil
	}
	return f, err
}

// errRefused says that the server does not give these statistics.
var errRefused = errors.New("memcached: statistics refused")

// stats sends a stats command and passes on each line.
func stats(nc net.Conn, br *bufio.Reader, cmd string, fn func(name, value string)) error {
	const most = 100000 // lines: two or four a connection in stats conns
	if _, err := io.WriteString(nc, cmd+"\r\n"); err != nil {
		return err
	}
	for range most {
		line, err := readLine(br)
		if err != nil {
			return err
		}
		if string(line) == "END" {
			return nil
		}
		rest, ok := strings.CutPrefix(string(line), "STAT ")
		if !ok {
			return errRefused
		}
		name, value, _ := strings.Cut(rest, " ")
		fn(name, value)
	}
	return errProtocol
}
