package config

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Duration is a time.Duration that is written with its unit: 250ms, 48h. A
// bare number is refused: yaml would read it as nanoseconds.
type Duration time.Duration

// Std is the standard library's duration.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String is the shortest form: 48h, not 48h0m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// UnmarshalYAML reads a number with its unit.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		return wrong(n, "accepted is a duration with its unit, such as 250ms, 30s or 48h")
	}
	*d = Duration(v)
	return nil
}

// Size is a number of bytes: 4096, 64KiB, 64MiB, 1GiB.
type Size int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// String is the form with the largest unit that divides it.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// UnmarshalYAML reads a number of bytes.
func (s *Size) UnmarshalYAML(n *yaml.Node) error {
	text, unit := n.Value, int64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			text, unit = rest, u.bytes
			break
		}
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if n.Kind != yaml.ScalarNode || err != nil || v < 0 || v > math.MaxInt64/unit {
		return wrong(n, "accepted is a number of bytes, such as 4096, 64KiB or 64MiB")
	}
	*s = Size(v * unit)
	return nil
}

// SecretFile is the path of a file that holds a secret. Neither is printed.
type SecretFile struct{ path string }

// Set tells whether a file was named.
func (s SecretFile) Set() bool { return s.path != "" }

// Path is for those who read the file themselves, such as TLS keys. It is not to
// be printed.
func (s SecretFile) Path() string { return s.path }

// Read reads the secret; a newline at its end is not part of it. The error
// names the key, never the content.
func (s SecretFile) Read() (string, error) {
	b, err := os.ReadFile(s.path)
	if err != nil {
		return "", fmt.Errorf("config: secret file: %w: check that the agent's user may read it", err)
	}
	secret := strings.TrimRight(string(b), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("config: secret file is empty: write the secret into it")
	}
	return secret, nil
}

// String keeps it out of logs.
func (s SecretFile) String() string {
	if s.path == "" {
		return ""
	}
	return "<secret>"
}

// GoString keeps it out of %#v.
func (s SecretFile) GoString() string { return s.String() }

// MarshalText keeps it out of JSON and the digest: hosts may keep it elsewhere.
func (s SecretFile) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalYAML reads the path.
func (s *SecretFile) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return wrong(n, "accepted is the path of a file")
	}
	s.path = n.Value
	return nil
}

// wrong is a problem at a node; yaml goes on and collects them.
func wrong(n *yaml.Node, text string) error {
	value := n.Value
	if n.Kind != yaml.ScalarNode {
		value = "a list or a map"
	}
	return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: %q: %s", n.Line, value, text)}}
}
