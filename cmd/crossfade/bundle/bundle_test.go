package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
)

func unpack(t *testing.T, data []byte) map[string]string {
	t.Helper()
	gz, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for tr := tar.NewReader(gz); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Mode != 0o600 {
			t.Errorf("%s: mode %o", h.Name, h.Mode)
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		out[h.Name] = string(b)
	}
}

// TestNoSecret: a secret is found in each form that it takes, and an address
// keeps its host alone.
func TestNoSecret(t *testing.T) {
	const secret = `p"w/ö+1`
	var b bytes.Buffer
	w := New(&b, "f", []string{secret, "", "abc"})
	w.Text("a.txt", []byte("x "+secret+" y "+base64.StdEncoding.EncodeToString([]byte(secret))+" "+hex.EncodeToString([]byte(secret))+" abc"), nil)
	w.JSON("b.json", map[string]string{"k": secret, "u": "see https://me:" + "token9@host.example/hook/T0K?key=v and http://host.example:9/"}, nil)
	w.Text("c.txt", []byte("redis://u:x y@h/0, postgres://h/db?password=z mysql://%zz"), nil)
	w.Text("d.txt", nil, errors.New("dial with "+secret))
	w.JSON("e.json", make(chan int), nil)
	w.Text("long.txt", bytes.Repeat([]byte("x"), most+1), nil)
	names, missing, err := w.Close()
	if err != nil || len(missing) != 2 || len(names) != 5 {
		t.Fatalf("%v %v %v", names, missing, err)
	}
	got := unpack(t, b.Bytes())
	if len(got["f/long.txt"]) > most+40 {
		t.Error("a long text is not cut off")
	}
	delete(got, "f/long.txt")
	for name, want := range map[string]string{
		"f/a.txt":       "x <secret> y <secret> <secret> abc",
		"f/b.json":      "{\n  \"k\": \"<secret>\",\n  \"u\": \"see https://host.example/<secret> and http://host.example:9/\"\n}\n",
		"f/missing.txt": "d.txt: dial with <secret>\ne.json: json: unsupported type: chan int\n",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	for name, text := range got {
		for _, bad := range []string{"token9", "T0K", "password=z", "u:x", "%zz", "ö"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s has %q: %q", name, bad, text)
			}
		}
	}
}

// TestBrokenFile: a file that cannot be written is told at the end.
func TestBrokenFile(t *testing.T) {
	w := New(full{}, "f", nil)
	w.Text("a", bytes.Repeat([]byte("x"), 1<<20), nil)
	if _, _, err := w.Close(); !errors.Is(err, errFull) {
		t.Errorf("%v", err)
	}
}

var errFull = errors.New("disk full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
