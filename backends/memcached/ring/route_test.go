package ring_test

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/memcached/ring"
)

// layouts are rings that sites have; nothing answers at these addresses.
var layouts = map[string][]string{
	"two":      {"10.0.0.1:11211", "10.0.0.2:11211"},
	"ports":    {"127.0.0.1:11211", "127.0.0.1:11212", "127.0.0.1:11213", "127.0.0.1:11311"},
	"weighted": {"10.0.0.1:11211:1", "10.0.0.2:11211:3", "10.0.0.3:11212:7"},
}

func parse(t testing.TB, list []string) []ring.Server {
	t.Helper()
	var all []ring.Server
	for _, text := range list {
		s, err := ring.ParseServer(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

const keys = 3000

// TestLibmemcached asks libmemcached, through PHP, where it would go with the
// same keys, a namespace before them.
func TestLibmemcached(t *testing.T) {
	php, err := exec.LookPath("php")
	if err != nil {
		t.Fatal("php is missing: run make deps")
	}
	const script = `
$in = json_decode(stream_get_contents(STDIN), true);
foreach ($in as $c) {
	$m = new Memcached();
	$m->setOption(Memcached::OPT_PREFIX_KEY, "memc.sess.key.");
	if ($c["d"] === "modulo") $m->setOption(Memcached::OPT_DISTRIBUTION, Memcached::DISTRIBUTION_MODULA);
	if ($c["d"] === "ketama") $m->setOption(Memcached::OPT_DISTRIBUTION, Memcached::DISTRIBUTION_CONSISTENT);
	if ($c["d"] === "ketama") $m->setOption(Memcached::OPT_HASH, Memcached::HASH_MD5);
	if ($c["d"] === "ketama_weighted") $m->setOption(Memcached::OPT_LIBKETAMA_COMPATIBLE, true);
	foreach ($c["s"] as $s) $m->addServer($s[0], $s[1], $s[2]);
	$out = "";
	for ($i = 0; $i < $c["n"]; $i++) {
		$at = $m->getServerByKey("key-$i");
		foreach ($c["s"] as $j => $s) if ($s[0] === $at["host"] && $s[1] === $at["port"]) $out .= $j;
	}
	echo $out, "\n";
}`
	type ask struct {
		D string   `json:"d"`
		S [][3]any `json:"s"`
		N int      `json:"n"`
	}
	var asks []ask
	var names []string
	var routers []*ring.Router
	for name, list := range layouts {
		for _, d := range []string{ring.Ketama, ring.KetamaWeighted, ring.Modulo} {
			if name == "weighted" && d == ring.Modulo {
				continue // libmemcached's modulo leaves weights out
			}
			servers := parse(t, list)
			a := ask{D: d, N: keys}
			for _, s := range servers {
				host, port, _ := net.SplitHostPort(s.Addr)
				var p int
				fmt.Sscan(port, &p)
				a.S = append(a.S, [3]any{host, p, s.Weight})
			}
			r, err := ring.NewRouter(servers, d, "")
			if err != nil {
				t.Fatal(err)
			}
			asks, names, routers = append(asks, a), append(names, name+", "+d), append(routers, r)
		}
	}
	in, _ := json.Marshal(asks)
	cmd := exec.Command(php, "-r", script)
	cmd.Stdin = strings.NewReader(string(in))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(asks) {
		t.Fatalf("php said %d lines for %d questions: %s", len(lines), len(asks), out)
	}
	for i, line := range lines {
		if len(line) != keys {
			t.Errorf("%s: %d answers of %d", names[i], len(line), keys)
			continue
		}
		wrong := 0
		for k := range keys {
			if routers[i].Route(fmt.Sprintf("key-%d", k)) != int(line[k]-'0') {
				wrong++
			}
		}
		if wrong > 0 {
			t.Errorf("%s: %d of %d keys on another server than libmemcached's", names[i], wrong, keys)
		}
	}
}

// TestTwemproxy sends keys through a real twemproxy and looks on which server
// they are.
func TestTwemproxy(t *testing.T) {
	all := start(t, 3)
	// As twemproxy has them.
	slices.SortFunc(all, func(a, b *localserver.Server) int {
		return cmp.Or(cmp.Compare(len(a.Addr()), len(b.Addr())), cmp.Compare(a.Addr(), b.Addr()))
	})
	for name, set := range map[string]struct {
		distribution, as, hash string
		weights                []int
		names                  []string
	}{
		"its defaults":  {ring.KetamaWeighted, "ketama", "fnv1a_64", []int{1, 1, 1}, nil},
		"md5, weighted": {ring.KetamaWeighted, "ketama", "md5", []int{1, 2, 5}, nil},
		"named":         {ring.KetamaWeighted, "ketama", "fnv1a_64", []int{1, 1, 1}, []string{"a", "b", "c"}},
		"modulo":        {ring.Modulo, "modula", "one_at_a_time", []int{1, 3, 1}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var list []string
			for i, one := range all {
				text := fmt.Sprintf("%s:%d", one.Addr(), set.weights[i])
				if set.names != nil {
					text += " " + set.names[i]
				}
				list = append(list, text)
			}
			at := backendtest.Twemproxy(t, "hash: "+set.hash+"\ndistribution: "+set.as+"\ntimeout: 5000", list...)
			r, err := ring.NewRouter(parse(t, list), set.distribution, set.hash)
			if err != nil {
				t.Fatal(err)
			}
			const n = 400
			prefix := strings.ReplaceAll(name, " ", "_")
			proxy := connect(t, at)
			for k := range n {
				fmt.Fprintf(proxy, "set %s-%d 0 60 1\r\nx\r\n", prefix, k)
				if line, err := proxy.ReadString('\n'); err != nil || line != "STORED\r\n" {
					t.Fatalf("set: %q, %v", line, err)
				}
			}
			wrong := 0
			for i, one := range all {
				direct := connect(t, one.Addr())
				for k := range n {
					key := fmt.Sprintf("%s-%d", prefix, k)
					fmt.Fprintf(direct, "get %s\r\n", key)
					found := false
					for {
						line, err := direct.ReadString('\n')
						if err != nil {
							t.Fatal(err)
						}
						if found = found || strings.HasPrefix(line, "VALUE"); line == "END\r\n" {
							break
						}
					}
					if found != (r.Route(key) == i) {
						wrong++
					}
				}
			}
			if wrong > 0 {
				t.Errorf("%d keys on another server than twemproxy's", wrong)
			}
		})
	}
}

type client struct {
	net.Conn
	*bufio.Reader
}

func (c client) Read(b []byte) (int, error) { return c.Reader.Read(b) }

// connect dials until it is answered.
func connect(t testing.TB, addr string) client {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		nc, err := net.Dial("tcp", addr)
		if err == nil {
			nc.SetDeadline(time.Now().Add(60 * time.Second))
			t.Cleanup(func() { nc.Close() })
			return client{nc, bufio.NewReader(nc)}
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// TestVectors are routes that libmemcached 1.1.4 has given: they hold where PHP is
// missing, and in years.
func TestVectors(t *testing.T) {
	for name, want := range map[string]string{
		"ports, ketama":             "3320030023322330302000310222100112021333",
		"ports, ketama_weighted":    "0221030120113133111101230221301301020103",
		"ports, modulo":             "0211203033101322310203302122133130031233",
		"two, ketama":               "1001100011010000000011010101111110001011",
		"two, ketama_weighted":      "1101100011100011100110011110011011011010",
		"two, modulo":               "0011001011101100110001100100111110011011",
		"weighted, ketama":          "1212212212202022220122212210211211211011",
		"weighted, ketama_weighted": "1212212212202022220122212210211211211011",
	} {
		layout, distribution, _ := strings.Cut(name, ", ")
		r, err := ring.NewRouter(parse(t, layouts[layout]), distribution, "")
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for k := range len(want) {
			got += fmt.Sprint(r.Route(fmt.Sprintf("key-%d", k)))
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestParseServer(t *testing.T) {
	for text, want := range map[string]ring.Server{
		"10.0.0.1:11211":     {Addr: "10.0.0.1:11211", Weight: 1},
		"10.0.0.1:11211:3":   {Addr: "10.0.0.1:11211", Weight: 3},
		"cache-1:11311:1 r1": {Addr: "cache-1:11311", Weight: 1, Name: "r1"},
		"[::1]:11211":        {Addr: "[::1]:11211", Weight: 1},
		"[::1]:11211:2":      {Addr: "[::1]:11211", Weight: 2},
		"unix:/run/mc.sock":  {Addr: "/run/mc.sock", Weight: 1},
		"/run/m.sock:2 a":    {Addr: "/run/m.sock", Weight: 2, Name: "a"},
	} {
		if got, err := ring.ParseServer(text); err != nil || got != want {
			t.Errorf("%q: got %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "10.0.0.1", "10.0.0.1:", "10.0.0.1:11211:0", "10.0.0.1:11211:x", "10.0.0.1:70000", ":11211", "a:1 b c", "10.0.0.1:11211:1001"} {
		if got, err := ring.ParseServer(text); err == nil {
			t.Errorf("%q: got %+v, want an error", text, got)
		}
	}
}
