package alike

import (
	"bytes"
	"os/exec"
	"strconv"
	"testing"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/memcached"
)

// write stores values with php-memcached, compressed in both ways.
const write = `
$m = new Memcached; $m->addServer("127.0.0.1", (int)$argv[1]);
$m->setOption(Memcached::OPT_COMPRESSION, true);
$text = ""; for ($i = 0; $i < 3000; $i++) { $text .= "cart|a:1:{i:$i;s:1:\"" . ($i * 7919 % 26) . "\";}"; if ($i % 50 == 0) $text .= str_repeat("x", 700); }
$far = random_bytes(9000); $text .= $far . str_repeat("y", 300) . $far;
foreach (["zlib" => Memcached::COMPRESSION_ZLIB, "fastlz" => Memcached::COMPRESSION_FASTLZ] as $name => $type) {
	$m->setOption(Memcached::OPT_COMPRESSION_TYPE, $type);
	foreach (["small" => substr($text, 0, 5000), "large" => $text] as $size => $v) { $m->set("$name-$size", $v) or exit(1); }
}
$m->setOption(Memcached::OPT_COMPRESSION, false);
$m->set("plain-small", substr($text, 0, 5000)); $m->set("plain-large", $text);`

// TestPlain: what php-memcached compresses is read as it wrote it.
func TestPlain(t *testing.T) {
	srv, err := localserver.Memcached(t.Context(), localserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Stop() })
	_, port, _ := bytes.Cut([]byte(srv.Addr()), []byte(":"))
	if out, err := exec.Command("php", "-r", write, "--", string(port)).CombinedOutput(); err != nil {
		t.Fatalf("php-memcached is needed: apt-get install php-memcached: %v\n%s", err, out)
	}
	s := memcached.New(srv.Addr(), memcached.Options{Migration: "m"})
	t.Cleanup(func() { s.Close() })
	get := func(name string) backends.Session {
		sess, found, err := s.Get(t.Context(), backends.Key{Name: name})
		if err != nil || !found {
			t.Fatalf("%s: found %v, %v", name, found, err)
		}
		return sess
	}
	for _, size := range []string{"small", "large"} {
		want := get("plain-" + size)
		if plain, rest := Plain(want.Flags, want.Data); !bytes.Equal(plain, want.Data) || rest != want.Flags {
			t.Errorf("%s: what is not compressed comes back changed", size)
		}
		for _, name := range []string{"zlib", "fastlz"} {
			got := get(name + "-" + size)
			if len(got.Data) >= len(want.Data) {
				t.Errorf("%s, %s: was not compressed: this proves nothing", name, size)
			}
			plain, rest := Plain(got.Flags, got.Data)
			if !bytes.Equal(plain, want.Data) || rest != want.Flags {
				t.Errorf("%s, %s (flags %s): got %d bytes, flags %#x, want %d, %#x", name, size, strconv.FormatUint(uint64(got.Flags), 2), len(plain), rest, len(want.Data), want.Flags)
			}
			for cut := range len(got.Data) { // whatever is left of it, nothing panics
				if plain, rest := Plain(got.Flags, got.Data[:cut]); rest != got.Flags && !bytes.Equal(plain, want.Data) {
					t.Fatalf("%s, %s: %d bytes of it are taken for another value", name, size, cut)
				}
				if cut > 3000 {
					break
				}
			}
		}
	}
}
