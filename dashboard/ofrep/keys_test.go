package ofrep

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
)

// awkward are ids that a careless function would hash otherwise. Not all are
// UTF-8.
func awkward() []string {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	return []string{"", "a", "q9pr2r6v3vsl9c1n2v3hm1b7gd", "sess:42", " padded ", "line\nfeed\r\n", "nul\x00inside", "naïve,ünïcode", "🐘", "\xff\xfe no UTF-8",
		"0x41", "1e3", "c6baf1b464990c4738cc1003de32daad", "$id", `\n'"`, strings.Repeat("x", 300), string(all)}
}

// TestKeysInTheDocs runs the functions of docs/flags.md, as they stand there,
// and compares what they make with what agents make.
func TestKeysInTheDocs(t *testing.T) {
	doc, err := os.ReadFile("../../docs/flags.md")
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(t.TempDir(), "hash.key")
	hasher, err := flags.LoadOrCreateKey(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	var in bytes.Buffer
	for _, id := range awkward() {
		in.WriteString(base64.StdEncoding.EncodeToString([]byte(id)) + "\n")
	}
	for _, tt := range []struct{ language, program, install, before, after string }{
		{"php", "php", "php-cli", "<?php\n",
			"\nwhile (($line = fgets(STDIN)) !== false) echo targetingKey($argv[1], base64_decode(trim($line))), \"\\n\";\n"},
		{"js", "node", "nodejs", "", `
for (const line of readFileSync(0, 'utf8').split('\n').slice(0, -1)) {
  const bytes = Buffer.from(line, 'base64'), text = bytes.toString('utf8');
  const key = targetingKey(process.argv[2], bytes);
  if (Buffer.from(text).equals(bytes) && targetingKey(process.argv[2], text) !== key) throw new Error('a string and its bytes differ');
  console.log(key);
}
`},
		{"python", "python3", "python3", "", `
import base64, sys
for line in sys.stdin:
    raw = base64.b64decode(line)
    made = targeting_key(sys.argv[1], raw)
    try:
        assert targeting_key(sys.argv[1], raw.decode()) == made
    except UnicodeDecodeError:
        pass
    print(made)
`},
	} {
		t.Run(tt.language, func(t *testing.T) {
			_, rest, ok := strings.Cut(string(doc), "```"+tt.language+"\n")
			code, _, ok2 := strings.Cut(rest, "```")
			if !ok || !ok2 {
				t.Fatal("docs/flags.md has no such function")
			}
			program, err := exec.LookPath(tt.program)
			if err != nil {
				t.Fatalf("%v: apt-get install %s, or make deps", err, tt.install)
			}
			file := filepath.Join(t.TempDir(), "key."+tt.language)
			if err := os.WriteFile(file, []byte(tt.before+code+tt.after), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(program, file, keyFile)
			cmd.Stdin = bytes.NewReader(in.Bytes())
			var said bytes.Buffer
			cmd.Stderr = &said
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %s%s", err, out, said.String())
			}
			lines := bufio.NewScanner(bytes.NewReader(out))
			for i, id := range awkward() {
				if !lines.Scan() {
					t.Fatalf("%d lines: %s", i, said.String())
				}
				if got, want := lines.Text(), hasher.SumString(id).String(); got != want {
					t.Errorf("of %q: %s, want %s", id, got, want)
				}
			}
			if err := os.WriteFile(keyFile+".short", []byte("5a5a\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			bad := exec.Command(program, file, keyFile+".short")
			bad.Stdin = strings.NewReader("YQ==\n")
			if out, err := bad.Output(); err == nil {
				t.Errorf("with a damaged key: %s", out)
			}
		})
	}
}
