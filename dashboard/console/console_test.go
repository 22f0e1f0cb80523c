package console

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func ask(h http.Handler, path string, header ...string) *http.Response {
	r := httptest.NewRequest("GET", path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, p *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(p.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var address = regexp.MustCompile(`(?:href|src)="([^"#]+)"`)

// TestFiles: the shell names files that are there, for ever under their address,
// and a changed one gets another address.
func TestFiles(t *testing.T) {
	h := New(Options{Migration: "shop's", Version: "v1.2"})
	p := ask(h, "/")
	text := body(t, p)
	if p.StatusCode != 200 || p.Header.Get("Cache-Control") != "no-cache" || !strings.Contains(text, `data-version="v1.2"`) || !strings.Contains(text, "shop&#39;s") {
		t.Errorf("shell: %s, %v: %.200s", p.Status, p.Header, text)
	}
	named := address.FindAllStringSubmatch(text, -1)
	if len(named) < 20 {
		t.Fatalf("the shell names %d files: it was not read", len(named))
	}
	for _, m := range named {
		f := ask(h, "/"+m[1])
		if f.StatusCode != 200 || !strings.Contains(f.Header.Get("Cache-Control"), "immutable") || f.Header.Get("ETag") == "" {
			t.Errorf("%s: %s, %v", m[1], f.Status, f.Header)
		}
		if again := ask(h, "/"+m[1], "If-None-Match", f.Header.Get("ETag")); again.StatusCode != 304 {
			t.Errorf("%s with its tag: %s", m[1], again.Status)
		}
	}
	script := "/" + named[len(named)-1][1]
	if got := ask(h, script).Header.Get("Content-Type"); !strings.HasPrefix(got, "text/javascript") {
		t.Errorf("%s is %q: nosniff would refuse it", script, got)
	}
	z := ask(h, script, "Accept-Encoding", "gzip")
	r, err := gzip.NewReader(z.Body)
	if err != nil || z.Header.Get("Content-Encoding") != "gzip" || z.Header.Get("ETag") == ask(h, script).Header.Get("ETag") {
		t.Fatalf("gzip: %v, %v", z.Header, err)
	}
	if b, _ := io.ReadAll(r); string(b) != body(t, ask(h, script)) {
		t.Error("zipped it is another file")
	}
	for _, path := range []string{"/x", "/assets/", "/assets/0000000000000000/js/main.js", strings.Replace(script, "js/main.js", "shell.html", 1), "/assets/../console.go"} {
		if p := ask(h, path); p.StatusCode != 404 || p.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: %s", path, p.Status)
		}
	}
}

// TestOthersHash: the address of the files is that of their content.
func TestOthersHash(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, embedded()); err != nil {
		t.Fatal(err)
	}
	hash := func() string {
		t.Helper()
		p, err := build(Options{}, os.DirFS(dir))
		if err != nil {
			t.Fatal(err)
		}
		return p.hash
	}
	was := hash()
	if again := hash(); again != was {
		t.Errorf("the same files have hash %s, then %s", was, again)
	}
	main := filepath.Join(dir, "js", "main.js")
	text, err := os.ReadFile(main)
	if err != nil {
		t.Fatal(err)
	}
	text[0] = '*' // as long as before
	if err := os.WriteFile(main, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if now := hash(); now == was {
		t.Error("a module has changed, and its address not")
	}
	h := New(Options{Dir: dir})
	p := ask(h, "/assets/"+was+"/js/main.js")
	if got := body(t, p); got != string(text) || p.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("from disk: %q, %v", got, p.Header)
	}
}

// TestPolicy: what the browser is told, and that nothing of ours needs more.
func TestPolicy(t *testing.T) {
	p := ask(New(Options{Migration: "m"}), "/")
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin"} {
		if got := p.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	csp := p.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("policy %q lacks %s", csp, want)
		}
	}
	if strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") {
		t.Errorf("policy %q", csp)
	}
	markup := regexp.MustCompile(`innerHTML|outerHTML =|insertAdjacentHTML|document\.write|eval\(|new Function|<script>|\son[a-z]+="|\sstyle="|https?://`)
	err := fs.WalkDir(embedded(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(name, "uplot/") || name == "icon.svg" {
			return err
		}
		data, err := fs.ReadFile(embedded(), name)
		for i, line := range strings.Split(string(data), "\n") {
			if m := markup.FindString(line); m != "" {
				t.Errorf("%s:%d has %q", name, i+1, m)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestVendored: uPlot is what npm has as 1.6.32, unchanged.
func TestVendored(t *testing.T) {
	for name, want := range map[string]string{
		"uplot/uPlot.esm.js":  "5dd9b3281aa64b461b42d9945f6adb2649d346502b12281a9ae0d46599a80eba",
		"uplot/uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
		"uplot/LICENSE":       "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
	} {
		data, err := fs.ReadFile(embedded(), name)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s has SHA-256 %x, want %s", name, sum, want)
		}
	}
}
