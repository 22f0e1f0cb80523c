package migrate

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/mysql"
	"github.com/seed-41165957/crossfade/backends/redis"
)

// speedSizes are how many sessions of 1 KiB are moved; the last one is for
// CROSSFADE_LONG.
var speedSizes = []int{10_000, 100_000, 1_000_000}

// speedName is an id as PHP makes them, as MariaDB's MD5 can.
func speedName(i int) string {
	sum := md5.Sum([]byte(strconv.Itoa(i)))
	return hex.EncodeToString(sum[:])[:26]
}

// BenchmarkBackfill moves sessions of 1 KiB from memcached and from MariaDB to
// Redis: as Backfill does it, as the shortest client does it that gives the same
// guarantees (bare), and, without any, as redis-cli --pipe does.
//
//	go test -run XXX -bench Backfill -benchtime 1x ./migrate
func BenchmarkBackfill(b *testing.B) {
	sizes := speedSizes[:2]
	if os.Getenv("CROSSFADE_LONG") != "" {
		sizes = speedSizes
	}
	for _, from := range []string{"memcached", "mariadb"} {
		for _, n := range sizes {
			b.Run(fmt.Sprintf("%s/%d", from, n), func(b *testing.B) {
				src := newSpeedSource(b, from, n)
				for _, how := range []struct {
					name string
					move func(*testing.B, *speedSource, *localserver.Server)
				}{{"pipe", pipeAll}, {"bare", bareAll}, {"backfill", backfillAll}} {
					b.Run(how.name, func(b *testing.B) {
						for b.Loop() {
							b.StopTimer()
							dst := speedServer(b, localserver.Redis)
							b.StartTimer()
							began := time.Now()
							how.move(b, src, dst)
							b.ReportMetric(float64(n)/time.Since(began).Seconds(), "sessions/s")
							b.StopTimer()
							if got := dbSize(b, dst); got < n {
								b.Errorf("new holds %d keys, want %d", got, n)
							}
							dst.Stop()
							b.StartTimer()
						}
					})
				}
			})
		}
	}
}

func speedServer(t testing.TB, start func(context.Context, localserver.Options) (*localserver.Server, error), args ...string) *localserver.Server {
	t.Helper()
	s, err := start(context.Background(), localserver.Options{Args: args})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop() })
	return s
}

// speedSource is an old that holds n sessions.
type speedSource struct {
	from string
	n    int
	srv  *localserver.Server
}

func newSpeedSource(t testing.TB, from string, n int) *speedSource {
	s := &speedSource{from: from, n: n}
	if from == "mariadb" {
		blank, err := mysql.New(mysql.Options{Hosts: []string{"127.0.0.1:1"}, Database: "app", User: "root", Migration: migration})
		if err != nil {
			t.Fatal(err)
		}
		one := func(ddl string) string { return strings.ReplaceAll(strings.TrimSuffix(ddl, ";"), "\n", " ") }
		sql := []string{"CREATE DATABASE app", one(blank.DDL()), one(blank.PlainDDL()),
			fmt.Sprintf("INSERT INTO app.sessions (id, data, flags, expires_ms) SELECT CONCAT('memc.sess.key.', LEFT(MD5(seq), 26)), REPEAT('x', 1024), 0, (UNIX_TIMESTAMP() + 3600) * 1000 FROM app.seq_0_to_%d", n-1)}
		blank.Close()
		s.srv = speedServer(t, func(ctx context.Context, o localserver.Options) (*localserver.Server, error) {
			o.Ready = 5 * time.Minute
			return localserver.MariaDB(ctx, o, sql...)
		}, "--innodb-buffer-pool-size=3G")
		return s
	}
	s.srv = speedServer(t, localserver.Memcached, "-m", "4096")
	c, err := net.Dial("tcp", s.srv.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w, data := bufio.NewWriterSize(c, 1<<20), strings.Repeat("x", 1024)
	for i := range n {
		fmt.Fprintf(w, "set memc.sess.key.%s 0 3600 1024 noreply\r\n%s\r\n", speedName(i), data)
	}
	fmt.Fprint(w, "mn\r\n")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || line != "MN\r\n" {
		t.Fatalf("fill: %q %v", line, err)
	}
	return s
}

func (s *speedSource) open(testing.TB) backends.Store { return openSource(s.from, s.srv.Addr()) }

func openMariaDB(addr string) backends.Store {
	st, err := mysql.New(mysql.Options{Hosts: []string{addr}, Database: "app", User: "root", Migration: migration, DialTimeout: time.Second})
	if err != nil {
		panic(err) // the options are ours
	}
	return st
}

// backfillAll is the product: a fleet of one agent, and Backfill.
func backfillAll(b *testing.B, src *speedSource, dst *localserver.Server) {
	b.StopTimer()
	newer := redis.New(redis.Options{Addr: dst.Addr(), Migration: migration})
	older := src.open(b)
	r := newRigOf(&rig{t: b, dir: b.TempDir(), real: [2]backends.Store{older, newer}}, 1, func(o *Options) { o.Batch = 0 })
	defer func() { older.Close(); newer.Close() }()
	r.ramp("mirror", 100)
	runtime.GC()
	heap := watchHeap()
	b.StartTimer()
	began := time.Now()
	rep := r.backfill()
	if rep.Copied != int64(src.n) {
		b.Errorf("%d copied, want %d: %+v", rep.Copied, src.n, rep)
	}
	b.ReportMetric(float64(src.n)/time.Since(began).Seconds(), "alone/s")
	b.ReportMetric(float64(heap())/(1<<20), "heap-MB")
}

// watchHeap gives the most that the heap was in use while it watched.
func watchHeap() func() uint64 {
	stop, done := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		t := time.NewTicker(50 * time.Millisecond)
		defer t.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
			select {
			case <-stop:
				done <- most
				return
			case <-t.C:
			}
		}
	}()
	return func() uint64 { close(stop); return <-done }
}

func dbSize(t testing.TB, s *localserver.Server) int {
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "DBSIZE\r\n")
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, ":")))
	return n
}

// pipeAll sends what stands in no store: the names are known, nothing is read,
// nothing is guarded.
func pipeAll(b *testing.B, src *speedSource, dst *localserver.Server) {
	_, port, _ := net.SplitHostPort(dst.Addr())
	cmd := exec.Command("redis-cli", "-p", port, "--pipe")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	w, data := bufio.NewWriterSize(in, 1<<20), strings.Repeat("x", 1024)
	for i := range src.n {
		fmt.Fprintf(w, "*5\r\n$3\r\nSET\r\n$43\r\nPHPREDIS_SESSION:%s\r\n$1024\r\n%s\r\n$2\r\nPX\r\n$7\r\n3600000\r\n", speedName(i), data)
	}
	w.Flush()
	in.Close()
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
}

// bareAll is the shortest client that gives a copy's guarantees: for each batch
// the target's token (WATCH of session and tombstone) and what stands there,
// then the source with its deadline, then a script between MULTI and EXEC that
// refuses after the not-after time. The source lists by itself.
func bareAll(b *testing.B, src *speedSource, dst *localserver.Server) {
	const batch, workers = 500, 4
	ctx := context.Background()
	older := src.open(b)
	defer older.Close()
	names := make(chan []string, workers)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			if err := bareWorker(ctx, src, older, dst.Addr(), names); err != nil {
				b.Error(err)
				for range names {
				}
			}
		})
	}
	var left []string
	err := older.(backends.Scanner).Scan(ctx, "", func(more []string) error {
		left = append(left, more...)
		for len(left) >= batch {
			names <- left[:batch:batch]
			left = left[batch:]
		}
		return nil
	})
	if len(left) > 0 {
		names <- left
	}
	close(names)
	wg.Wait()
	if err != nil {
		b.Error(err)
	}
}

const bareScript = `
local t = redis.call('TIME')
if t[1] * 1000 + t[2] / 1000 > tonumber(ARGV[1]) then return 0 end
for i, k in ipairs(KEYS) do redis.call('SET', k, ARGV[2 * i], 'PX', ARGV[2 * i + 1]) end
return 1`

func bareWorker(ctx context.Context, src *speedSource, older backends.Store, addr string, names <-chan []string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	rd := bufio.NewReaderSize(c, 1<<16)
	var mc net.Conn
	var mr *bufio.Reader
	if src.from == "memcached" {
		if mc, err = net.Dial("tcp", src.srv.Addr()); err != nil {
			return err
		}
		defer mc.Close()
		mr = bufio.NewReaderSize(mc, 1<<16)
	}
	var out []byte
	command := func(n int) { out = append(append(append(out, '*'), strconv.Itoa(n)...), '\r', '\n') }
	arg := func(s []byte) {
		out = append(append(append(out, '$'), strconv.Itoa(len(s))...), '\r', '\n')
		out = append(append(out, s...), '\r', '\n')
	}
	text := func(ss ...string) {
		for _, s := range ss {
			arg([]byte(s))
		}
	}
	for ns := range names {
		to, gone := make([]string, len(ns)), make([]string, len(ns))
		for i, n := range ns {
			to[i] = "PHPREDIS_SESSION:" + strings.TrimPrefix(n, "memc.sess.key.")
			gone[i] = backends.GoneKey(migration, backends.Key{Name: to[i]}).Name
		}
		out = out[:0]
		command(1 + 2*len(ns))
		text("WATCH")
		text(to...)
		text(gone...)
		command(1 + len(ns))
		text("MGET")
		text(to...)
		command(1 + len(gone))
		text("EXISTS")
		text(gone...)
		command(1)
		text("TIME")
		if _, err := c.Write(out); err != nil {
			return err
		}
		var server int64
		for i := range 4 {
			v, err := bareReply(rd)
			if err != nil {
				return err
			}
			if i == 3 {
				server, _ = strconv.ParseInt(string(v[0]), 10, 64)
			}
		}
		data, lives := make([][]byte, len(ns)), make([]int64, len(ns))
		if mc != nil {
			if err := bareGets(mc, mr, ns, data, lives); err != nil {
				return err
			}
		} else {
			ks := make([]backends.Key, len(ns))
			for i := range ns {
				ks[i].Name = ns[i]
			}
			recs, err := older.(backends.BatchReader).ReadMany(ctx, ks)
			if err != nil {
				return err
			}
			for i := range recs {
				data[i], lives[i] = recs[i].Data, time.Until(recs[i].Deadline).Milliseconds()
			}
		}
		out = out[:0]
		command(1)
		text("MULTI")
		command(3 + len(ns) + 1 + 2*len(ns))
		text("EVAL", bareScript, strconv.Itoa(len(ns)))
		text(to...)
		text(strconv.FormatInt(server*1000+10_000, 10))
		for i := range ns {
			arg(data[i])
			text(strconv.FormatInt(lives[i], 10))
		}
		command(1)
		text("EXEC")
		if _, err := c.Write(out); err != nil {
			return err
		}
		for i := range 3 {
			v, err := bareReply(rd)
			if err != nil {
				return err
			}
			if i == 2 && (len(v) != 1 || string(v[0]) != "1") {
				return fmt.Errorf("bare: EXEC said %q", v)
			}
		}
	}
	return nil
}

// bareGets reads sessions with their time to live in one packet each way.
func bareGets(c net.Conn, r *bufio.Reader, ns []string, data [][]byte, lives []int64) error {
	var out []byte
	for _, n := range ns {
		out = append(append(append(out, "mg "...), n...), " v t f c\r\n"...)
	}
	if _, err := c.Write(out); err != nil {
		return err
	}
	for i := range ns {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		f := bytes.Fields(line)
		size, _ := strconv.Atoi(string(f[1]))
		life, _ := strconv.ParseInt(string(f[2][1:]), 10, 64)
		data[i], lives[i] = make([]byte, size+2), life*1000
		if _, err := io.ReadFull(r, data[i]); err != nil {
			return err
		}
		data[i] = data[i][:size]
	}
	return nil
}

// bareReply reads one answer of Redis; an array gives its members.
func bareReply(r *bufio.Reader) (v [][]byte, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	line = bytes.TrimSpace(line)
	n, _ := strconv.Atoi(string(line[1:]))
	switch line[0] {
	case '-':
		return nil, fmt.Errorf("bare: %s", line)
	case '+', ':':
		return [][]byte{bytes.Clone(line[1:])}, nil
	case '$':
		if n < 0 {
			return [][]byte{nil}, nil
		}
		data := make([]byte, n+2)
		_, err := io.ReadFull(r, data)
		return [][]byte{data[:n]}, err
	}
	for range max(n, 0) {
		one, err := bareReply(r)
		if err != nil {
			return nil, err
		}
		v = append(v, one...)
	}
	return v, nil
}
