package kinds

import (
	"regexp"
	"strings"
	"testing"
)

// compileSlow matches by regexp alone, as a reference for the table.
func compileSlow(p *pattern) (func(string) bool, error) {
	re, err := regexp.Compile(`^(?s:` + regexp.QuoteMeta(p.prefix) + `)(?:` + p.expr + `)(?s:` + regexp.QuoteMeta(p.suffix) + `)$`)
	if err != nil {
		return nil, err
	}
	return re.MatchString, nil
}

func TestTable(t *testing.T) {
	ids := []string{"a", "z", "A", "5", "-", "abc", "abcdefgh", strings.Repeat("a", 32), "ab-12", "a\nb", "ä", "\xff", "a_b", "a:b", "ſ", "aK"}
	for expr, table := range map[string]bool{
		`[A-Za-z0-9,-]+`: true, `[a-f]{8}`: true, `[a-z]{2,4}`: true, `[a-z]{2,}`: true, `[a-z]`: true, `\w+`: true,
		`[^:]+`: true, `.+`: true, `(?:[a-z]+)`: true, `(?i)[a-j]+`: true, `a|b`: true, `[ä-\x{10ffff}]+`: false,
		`(?i)[a-z]+`: false /* folds to U+017F */, `[^:]{3}`: false, `[ä-ü]+`: false, `ab?`: false, `[a-z]+[0-9]*`: false,
	} {
		p, err := compile("p:{id: "+expr+"}:s", "")
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		if got := p.class != nil; got != table {
			t.Errorf("%s: by table %v, want %v", expr, got, table)
		}
		slow, err := compileSlow(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			if _, got := p.match("p:" + id + ":s"); got != slow("p:"+id+":s") {
				t.Errorf("%s of %q: %v, regexp says %v", expr, id, got, !got)
			}
		}
	}
}

func TestAllocations(t *testing.T) {
	s := mustCompile(t, php, node)
	b, str := []byte("memc.sess.key.q9pr2r6v3vsl9c1n2v3hm1b7gd"), "memc.sess.key.q9pr2r6v3vsl9c1n2v3hm1b7gd"
	if n := testing.AllocsPerRun(100, func() { s.Resolve(b) }); n > 1 {
		t.Errorf("Resolve: %v allocations, want 1", n)
	}
	if n := testing.AllocsPerRun(100, func() { s.ResolveString(str) }); n != 0 {
		t.Errorf("ResolveString: %v allocations, want 0", n)
	}
}

func BenchmarkResolve(b *testing.B) {
	s := mustCompile(b, php, node)
	for name, key := range map[string]string{"key": "memc.sess.key.q9pr2r6v3vsl9c1n2v3hm1b7gd", "lock": "memc.sess.key.lock.q9pr2r6v3vsl9c1n2v3hm1b7gd", "none": "user:42"} {
		b.Run(name, func(b *testing.B) {
			k := []byte(key)
			b.ReportAllocs()
			for b.Loop() {
				s.Resolve(k)
			}
		})
	}
}
