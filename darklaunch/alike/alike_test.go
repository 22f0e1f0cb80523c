package alike

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"
)

type pair struct {
	Name, Format string
	A, B         []byte // base64 in the line
	Same         bool
	Ignore       []string
}

// pairs are what PHP itself has written.
func pairs(t testing.TB) (out []pair) {
	t.Helper()
	cmd := exec.Command("php", "testdata/pairs.php", t.TempDir())
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("php-cli is needed: apt-get install php-cli: %v\n%s", err, text)
	}
	for sc := bufio.NewScanner(bytes.NewReader(text)); sc.Scan(); {
		var p pair
		if err := json.Unmarshal(sc.Bytes(), &p); err != nil {
			t.Fatalf("%v: %s", err, sc.Bytes())
		}
		out = append(out, p)
	}
	if len(out) < 40 {
		t.Fatalf("%d pairs: PHP has not come to its end:\n%s", len(out), text)
	}
	return out
}

func TestSameAsPHP(t *testing.T) {
	for _, p := range pairs(t) {
		t.Run(p.Name, func(t *testing.T) {
			if bytes.Equal(p.A, p.B) {
				t.Fatalf("the bytes are the same: this proves nothing: %q", p.A)
			}
			for _, data := range [][]byte{p.A, p.B} {
				if _, ok := parse(p.Format, data); !ok {
					t.Errorf("not read: %q", data)
				}
			}
			if got := Same(p.Format, p.A, p.B, p.Ignore); got != p.Same {
				t.Errorf("got %v, want %v:\n%q\n%q", got, p.Same, p.A, p.B)
			}
			if got := Same(p.Format, p.B, p.A, p.Ignore); got != p.Same {
				t.Errorf("the other way round: got %v, want %v", got, p.Same)
			}
			if p.Same && Same(Bytes, p.A, p.B, p.Ignore) {
				t.Error("as bytes they are the same")
			}
		})
	}
}

// TestUnreadable: what cannot be read is compared by its bytes.
func TestUnreadable(t *testing.T) {
	deep := func(n int) string {
		return "a|" + strings.Repeat("a:1:{i:0;", n) + "N;" + strings.Repeat("}", n)
	}
	for _, tt := range []struct{ name, format, data string }{
		{"cut off", PHP, "a|i:1"}, {"a length that is too long", PHP, `a|s:5:"abc";`}, {"no length", PHP, `a|s::"";`},
		{"a huge length", PHP, `a|s:9999999999:"a";`}, {"a negative length", PHP, `a|s:-1:"a";`},
		{"more pairs than fit", PHP, "a|a:9999999:{i:0;N;}"}, {"fewer pairs than said", PHP, "a|a:2:{i:0;N;}"},
		{"too deep", PHP, deep(depthMost + 1)}, {"no name", PHP, "|i:1;"}, {"text after it", PHPSerialize, "i:1;i:2;"},
		{"an array as a key", PHP, "a|a:1:{a:0:{}N;}"}, {"a number that is none", PHP, "a|i:1x;"}, {"a bool that is none", PHP, "a|b:2;"},
		{"a reference to nothing", PHP, "a|R:0;"}, {"C without its end", PHP, `a|C:1:"X":9:{abc}`},
		{"json, cut off", JSON, `{"a":1`}, {"json, two values", JSON, `1 2`}, {"json, too deep", JSON, strings.Repeat("[", 300) + strings.Repeat("]", 300)},
		{"json, a comma more", JSON, `[1,]`}, {"json, no number", JSON, `[01]`}, {"json, a line in a text", JSON, "[\"a\nb\"]"}, {"an unknown format", "xml", "<a/>"},
	} {
		if _, ok := parse(tt.format, []byte(tt.data)); ok {
			t.Errorf("%s: was read: %.40q", tt.name, tt.data)
		}
		if !Same(tt.format, []byte(tt.data), []byte(tt.data), nil) || Same(tt.format, []byte(tt.data), []byte(tt.data+" "), nil) {
			t.Errorf("%s: not compared by its bytes", tt.name)
		}
	}
	if _, ok := parse(PHP, []byte(deep(depthMost-2))); !ok {
		t.Error("what is as deep as may be is not read")
	}
}

// TestLinear: half a megabyte of the worst there is takes a moment.
func TestLinear(t *testing.T) {
	const n = 50_000
	wide := "a:50000:{" + strings.Repeat("i:1;N;", n) + "}"
	for name, data := range map[string]string{
		"many of one key":     wide,
		"properties":          `O:1:"x":50000:{` + strings.Repeat("i:1;N;", n) + "}",
		"references":          "a:50000:{i:0;N;" + strings.Repeat("i:1;R:2;", n-1) + "}",
		"numbers with no end": strings.Repeat("i:", n),
		"names with no end":   strings.Repeat("a", 1<<19),
	} {
		begin := time.Now()
		Same(PHPSerialize, []byte(data), []byte(data[:len(data)-2]+";}"), []string{"a.b", "*.c"})
		Same(PHP, []byte(data), []byte("a|"+data), nil)
		Same(PHP, []byte("b|N;a|"+data), []byte("a|"+data+"b|N;"), nil)
		if took := time.Since(begin); took > 30*time.Second { // by the square it would be many minutes
			t.Errorf("%s: took %v", name, took)
		}
	}
}

func TestCheckPath(t *testing.T) {
	for path, ok := range map[string]bool{"a": true, "_sf2_meta.u": true, "c.*.t": true, "": false, ".": false, "a.": false, ".a": false, "a..b": false, "*": false} {
		if err := CheckPath(path); (err == nil) != ok {
			t.Errorf("%q: %v", path, err)
		}
	}
}
