package memcached_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/memcached"
)

// Opcodes of these tests; quiet ones have a Q.
const (
	bGet, bSet, bAdd, bReplace, bDelete, bIncr, bDecr, bQuit, bFlush, bGetQ       = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
	bNoop, bVersion, bGetK, bGetKQ, bAppend, bPrepend, bStat                      = 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10
	bSetQ, bAddQ, bReplaceQ, bDeleteQ, bIncrQ, bDecrQ, bQuitQ, bAppendQ, bPrepenQ = 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x19, 0x1a
	bVerbosity, bTouch, bGat, bGatQ, bSASL, bSASLAuth, bGatK, bGatKQ              = 0x1b, 0x1c, 0x1d, 0x1e, 0x20, 0x21, 0x23, 0x24
)

// bin is one packet.
func bin(op byte, cas uint64, extras, key, value string) string {
	b := []byte{0x80, op}
	b = binary.BigEndian.AppendUint16(b, uint16(len(key)))
	b = append(b, byte(len(extras)), 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(len(extras)+len(key)+len(value)))
	b = binary.BigEndian.AppendUint32(b, 0xdead0000+uint32(op))
	b = binary.BigEndian.AppendUint64(b, cas)
	return string(b) + extras + key + value
}

// be is numbers of 32 bits; a number of 64 is two.
func be(ns ...uint32) string {
	var b []byte
	for _, n := range ns {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return string(b)
}

// head changes a byte of a packet's header.
func head(p string, at int, to byte) string { return p[:at] + string([]byte{to}) + p[at+1:] }

// masked is an answer with every token that is not 0 as 1: two servers' tokens
// are not alike. A touch that succeeded has neither token nor flags: the
// frontend does not read what it touches.
func masked(t *testing.T, out string) string {
	t.Helper()
	var b strings.Builder
	for len(out) > 0 {
		if len(out) < 24 || out[0] != 0x81 {
			return b.String() + "?" + out
		}
		body := int(binary.BigEndian.Uint32([]byte(out[8:])))
		if len(out) < 24+body {
			return b.String() + "…" + out
		}
		cas := 0
		if binary.BigEndian.Uint64([]byte(out[16:])) != 0 {
			cas = 1
		}
		if out[1] == bTouch && out[6:8] == "\x00\x00" {
			fmt.Fprintf(&b, "[%x touched]\n", out[:16])
			out = out[24+body:]
			continue
		}
		fmt.Fprintf(&b, "[%x cas %d %q]\n", out[:16], cas, out[24:24+body])
		out = out[24+body:]
	}
	return b.String()
}

var (
	bput  = bin(bSet, 0, be(5, 0), "s.a", "abc")
	bget  = bin(bGet, 0, "", "s.a", "")
	bnoop = bin(bNoop, 0, "", "", "")
)

// binaries are streams. Where memcached answers something else than the
// frontend, the reason is told.
var binaries = []struct{ name, in, why string }{
	{"get, miss", bget + bin(bGetQ, 0, "", "s.a", "") + bin(bGetK, 0, "", "s.a", "") + bin(bGetKQ, 0, "", "s.a", "") + bnoop, ""},
	{"get, hit", bput + bget + bin(bGetQ, 0, "", "s.a", "") + bin(bGetK, 0, "", "s.a", "") + bin(bGetKQ, 0, "", "s.a", "") + bnoop, ""},
	{"set", bput + bin(bSetQ, 0, be(7, 0), "s.a", "de") + bget + bin(bSet, 0, be(7, 0), "s.a", "") + bget, ""},
	{"set, cas", bin(bSet, 5, be(5, 0), "s.a", "abc") + bput + bin(bSet, 5, be(5, 0), "s.a", "x") + bin(bSetQ, 5, be(5, 0), "s.a", "x") + bget, ""},
	{"add", bin(bAdd, 0, be(5, 0), "s.a", "abc") + bin(bAdd, 0, be(5, 0), "s.a", "x") + bin(bAddQ, 0, be(5, 0), "s.a", "x") + bin(bAddQ, 0, be(5, 0), "s.b", "x") + bin(bAdd, 5, be(5, 0), "s.c", "x") + bin(bAdd, 5, be(5, 0), "s.a", "x") + bget, ""},
	{"replace", bin(bReplace, 0, be(5, 0), "s.a", "x") + bin(bReplaceQ, 0, be(5, 0), "s.a", "x") + bput + bin(bReplace, 0, be(6, 0), "s.a", "y") + bin(bReplaceQ, 0, be(7, 0), "s.a", "z") + bin(bReplace, 5, be(7, 0), "s.a", "z") + bin(bReplace, 5, be(7, 0), "s.b", "z") + bget, ""},
	{"append", bin(bAppend, 0, "", "s.a", "x") + bin(bPrepend, 0, "", "s.a", "x") + bin(bAppendQ, 0, "", "s.a", "x") + bput + bin(bAppend, 0, "", "s.a", "d") + bin(bPrepend, 0, "", "s.a", "_") + bin(bAppendQ, 0, "", "s.a", "e") + bin(bPrepenQ, 0, "", "s.a", "-") + bin(bAppend, 5, "", "s.a", "d") + bin(bAppend, 0, "", "s.a", "") + bget, ""},
	{"delete", bin(bDelete, 0, "", "s.a", "") + bin(bDeleteQ, 0, "", "s.a", "") + bput + bin(bDelete, 5, "", "s.a", "") + bin(bDelete, 0, "", "s.a", "") + bput + bin(bDeleteQ, 0, "", "s.a", "") + bget, ""},
	{"increment", bin(bIncr, 0, be(0, 1, 0, 0, 0xffffffff), "s.a", "") + bin(bIncr, 0, be(0, 1, 0, 7, 0), "s.a", "") + bin(bIncr, 0, be(0, 5, 0, 7, 0), "s.a", "") + bin(bDecr, 0, be(0, 100, 0, 7, 0), "s.a", "") + bin(bIncr, 5, be(0, 1, 0, 0, 0), "s.a", "") + bin(bIncrQ, 0, be(0, 41, 0, 0, 0), "s.a", "") + bin(bDecrQ, 0, be(0, 1, 0, 0, 0), "s.z", "") + bin(bIncr, 0, be(0xffffffff, 0xffffffff, 0, 0, 0), "s.a", "") + bget + bin(bGet, 0, "", "s.z", ""), ""},
	{"increment, no number", bput + bin(bIncr, 0, be(0, 1, 0, 0, 0), "s.a", "") + bin(bIncrQ, 0, be(0, 1, 0, 0, 0), "s.a", ""), ""},
	{"touch", bin(bTouch, 0, be(100), "s.a", "") + bput + bin(bTouch, 0, be(100), "s.a", "") + bin(bGat, 0, be(100), "s.a", "") + bin(bGatQ, 0, be(100), "s.a", "") + bin(bGatK, 0, be(100), "s.a", "") + bin(bGatKQ, 0, be(100), "s.a", "") + bin(bGat, 0, be(9), "s.b", "") + bin(bGatQ, 0, be(9), "s.b", "") + bin(bGatK, 0, be(9), "s.b", "") + bin(bGatKQ, 0, be(9), "s.b", "") + bget, ""},
	{"30 days", bin(bAdd, 0, be(0, 2678400), "s.a", "") + bget + bin(bAdd, 0, be(0, 2592000), "s.a", "") + bget, ""},
	{"noop and version", bnoop + bin(bVersion, 0, "", "", ""), ""},
	{"stat", bin(bStat, 0, "", "reset", "") + bin(bStat, 0, "", "bogus", ""), ""},
	{"quit", bput + bin(bQuit, 0, "", "", "") + bget, ""},
	{"quit, quiet", bput + bin(bQuitQ, 0, "", "", "") + bget, ""},
	{"unknown", bin(0x55, 0, "", "", "") + bin(bVerbosity, 0, be(1), "", "") + bnoop, "memcached reads the extras of what it does not know twice"},
	{"unknown, with nothing in it", bin(0x55, 0, "", "", "") + bin(bSASL, 0, "", "", "") + bnoop, ""},
	{"SASL", bin(bSASLAuth, 0, "", "PLAIN", "\x00user\x00secret") + bnoop, ""},
	{"flush", bput + bin(bFlush, 0, "", "", "") + bget, "it would log everybody out"},
	{"magic", bnoop + head(bnoop, 0, 0x79) + bnoop, ""},
	{"text after a packet", bnoop + "version\r\n" + strings.Repeat(" ", 24), ""},
	{"lengths: extras and key", head(bget, 11, 2) + bnoop, ""},
	{"lengths: extras of a get", bin(bGet, 0, "1234", "s.a", "") + bnoop, ""},
	{"lengths: value of a get", bin(bGet, 0, "", "s.a", "x") + bnoop, ""},
	{"lengths: no key", bin(bGet, 0, "", "", "") + bnoop, ""},
	{"lengths: no extras of a set", bin(bSet, 0, "", "s.a", "x") + bnoop, ""},
	{"lengths: key of a noop", bin(bNoop, 0, "", "s.a", "") + bnoop, ""},
	{"lengths: extras of an increment", bin(bIncr, 0, be(1, 1), "s.a", "") + bnoop, ""},
	{"lengths: extras of a touch", bin(bTouch, 0, "", "s.a", "") + bnoop, ""},
	{"lengths: long key", bin(bGet, 0, "", long, "") + bnoop, ""},
	{"lengths: longest key", bin(bSet, 0, be(0, 0), long[:250], "x") + bin(bGetK, 0, "", long[:250], "") + bnoop, ""},
	{"lengths: all of them", head(head(head(head(bget, 8, 0xff), 9, 0xff), 10, 0xff), 11, 0xff) + bnoop, ""},
	{"too large", bin(bSet, 0, be(5, 0), "s.b", big) + bnoop, ""},
	{"too large, over another", bput + bin(bSet, 0, be(5, 0), "s.a", big) + bget, "memcached drops what it had; a refused write changes nothing"},
	{"large", bin(bSet, 0, be(5, 0), "s.a", strings.Repeat("x", 100_000)) + bget, ""},
	{"cut off", bput + bget[:20], ""},
	{"lock", bin(bAdd, 0, be(0, 30), "l.a", "1") + bin(bAdd, 0, be(0, 30), "l.a", "1") + bin(bDelete, 0, "", "l.a", "") + bin(bDelete, 0, "", "l.a", ""), ""},
	{"lock, read", bin(bAdd, 0, be(0, 30), "l.a", "1") + bin(bGetK, 0, "", "l.a", "") + bin(bTouch, 0, be(9), "l.a", "") + bin(bSet, 0, be(0, 30), "l.a", "7"), "what a lock holds is not the client's"},
	{"key of no kind", bin(bGet, 0, "", "other", "") + bin(bSet, 0, be(0, 0), "other", "x") + bin(bGetQ, 0, "", "other", "") + bnoop, "which store would it be in?"},
}

// TestBinary sends the same packets to the frontend, in one piece, split
// everywhere, and to memcached.
func TestBinary(t *testing.T) {
	s, err := localserver.Memcached(t.Context(), localserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	for _, tt := range binaries {
		t.Run(tt.name, func(t *testing.T) {
			play := func(packets ...string) string {
				return masked(t, frontendtest.Play(t, memcached.New(frontendtest.New(t, web), memcached.Options{}), packets...))
			}
			got := play(tt.in)
			frontendtest.Ask(t, s.Addr(), "flush_all\r\n")
			want := masked(t, frontendtest.Ask(t, s.Addr(), tt.in))
			if same := got == want; same != (tt.why == "") {
				t.Errorf("got\n%.900s\nmemcached\n%.900s\ndeclared as different: %q", got, want, tt.why)
			}
			for i := 1; i < len(tt.in); i += max(1, len(tt.in)/300) {
				if split := play(tt.in[:i], tt.in[i:]); split != got {
					t.Fatalf("split at %d: got\n%.900s\nwhole\n%.900s", i, split, got)
				}
			}
			if len(tt.in) < 2000 {
				if split := play(frontendtest.Bytewise(tt.in)...); split != got {
					t.Errorf("bytewise: got\n%s\nwhole\n%s", split, got)
				}
			}
		})
	}
}

// TestBinaryRandom is TestRandom in packets.
func TestBinaryRandom(t *testing.T) {
	real := backendtest.Memcached(t)
	for name, open := range stores(t) {
		for range 10 {
			seed := rand.Uint64()
			in := binaryHistory(rand.New(rand.NewPCG(seed, 0)))
			frontendtest.Ask(t, real.Addr(), "flush_all\r\n")
			want := strings.Split(masked(t, frontendtest.Ask(t, real.Addr(), in)), "\n")
			got := strings.Split(masked(t, inOff(t, open(), in)), "\n")
			for i := range max(len(got), len(want)) {
				if i >= len(got) || i >= len(want) || got[i] != want[i] {
					t.Fatalf("%s, seed %d, answer %d: got %.200s, memcached %.200s", name, seed, i, got[min(i, len(got)-1)], want[min(i, len(want)-1)])
				}
			}
		}
	}
}

func binaryHistory(r *rand.Rand) string {
	pick := func(of ...byte) byte { return of[r.IntN(len(of))] }
	key := func() string { return "s." + string("abcd"[r.IntN(4)]) }
	when := func() uint32 { return []uint32{0, 100, 2592000, 2678400, 0xffffffff}[r.IntN(4)] }
	cas := func() uint64 { return uint64(r.IntN(5) / 4 * 99999) }
	data := func() string {
		if r.IntN(3) == 0 {
			return fmt.Sprint(r.IntN(1000))
		}
		return strings.Repeat("x\r\n", r.IntN(700))
	}
	var b strings.Builder
	for range 200 {
		switch r.IntN(7) {
		case 0, 1:
			b.WriteString(bin(pick(bSet, bSetQ, bAdd, bAddQ, bReplace, bReplaceQ), cas(), be(r.Uint32(), when()), key(), data()))
		case 2:
			b.WriteString(bin(pick(bGet, bGetQ, bGetK, bGetKQ), 0, "", key(), ""))
		case 3:
			b.WriteString(bin(pick(bAppend, bAppendQ, bPrepend, bPrepenQ), cas(), "", key(), data()))
			b.WriteString(bin(pick(bSet, bReplaceQ), 0, be(7, 0), "s.m", fmt.Sprint(r.IntN(100))))
		case 4:
			// No decrement: whether memcached pads a number that has become shorter
			// depends on who else holds it, such as an answer that is not sent yet.
			b.WriteString(bin(pick(bIncr, bIncrQ), cas(), be(0, uint32(r.IntN(99)), 0, uint32(r.IntN(99)), []uint32{0, 100, 0xffffffff}[r.IntN(3)]), "s."+string("mn"[r.IntN(2)]), ""))
		case 5:
			b.WriteString(bin(pick(bTouch, bGat, bGatQ, bGatK, bGatKQ), 0, be(when()), key(), ""))
		case 6:
			b.WriteString(bin(pick(bDelete, bDeleteQ), cas(), "", key(), ""))
			b.WriteString([]string{bnoop, bin(bVersion, 0, "", "", ""), "", bin(0x70, 0, "", "", "")}[r.IntN(4)])
		}
	}
	return b.String()
}

// TestBinaryCAS takes the token of one answer into the next packet.
func TestBinaryCAS(t *testing.T) {
	f := frontendtest.New(t, web)
	ask := func(p string) (status uint16, cas uint64) {
		out := frontendtest.Play(t, memcached.New(f, memcached.Options{}), p)
		return binary.BigEndian.Uint16([]byte(out[6:])), binary.BigEndian.Uint64([]byte(out[16:]))
	}
	_, first := ask(bput)
	if _, same := ask(bget); same != first || first == 0 {
		t.Errorf("stored with %d, read with %d", first, same)
	}
	for _, op := range []string{bin(bSet, first, be(5, 0), "s.a", "12"), bin(bAppend, 0, "", "s.a", "3"), bin(bIncr, 0, be(0, 1, 0, 0, 0), "s.a", "")} {
		status, cas := ask(op)
		if _, read := ask(bget); status != 0 || cas == first || cas != read {
			t.Errorf("status %d, token %d, then read with %d", status, cas, read)
		}
	}
	if status, _ := ask(bin(bDelete, first, "", "s.a", "")); status != 2 {
		t.Errorf("deleted by an old token: status %d", status)
	}
	_, last := ask(bget)
	if status, _ := ask(bin(bDelete, last, "", "s.a", "")); status != 0 {
		t.Errorf("not deleted by the token: status %d", status)
	}
}

// TestBinaryFaults: an error of the layer is one to the client, also of a quiet
// packet, and never a miss.
func TestBinaryFaults(t *testing.T) {
	for op, in := range map[string]string{
		"get": bin(bGetQ, 0, "", "s.a", ""), "set": bin(bSetQ, 0, be(0, 0), "s.a", "x"), "add": bin(bAddQ, 0, be(0, 0), "s.a", "x"),
		"delete": bin(bDeleteQ, 0, "", "s.a", ""), "touch": bin(bTouch, 0, be(9), "s.a", ""), "edit": bin(bIncrQ, 0, be(0, 1, 0, 0, 0), "s.a", ""),
		"lock": bin(bAdd, 0, be(0, 9), "l.a", "1"), "unlock": bin(bDelete, 0, "", "l.a", ""),
	} {
		f := frontendtest.New(t, web)
		f.Fault = func(o string, _ kinds.Ref) error {
			if o == op {
				return errStore
			}
			return nil
		}
		out := frontendtest.Play(t, memcached.New(f, memcached.Options{}), in+bnoop)
		if len(out) != 2*24+len(errStore.Error()) || out[6:8] != "\x00\x84" || out[24:24+len(errStore.Error())] != errStore.Error() {
			t.Errorf("%s: got %q", op, out)
		}
	}
	f := frontendtest.New(t, web)
	f.Fault = func(string, kinds.Ref) error { return backends.ErrTooLarge }
	if out := frontendtest.Play(t, memcached.New(f, memcached.Options{}), bput); out[6:8] != "\x00\x03" {
		t.Errorf("too large: got %q", out)
	}
}
