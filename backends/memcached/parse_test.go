package memcached

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/backends"
)

func TestParseAnswer(t *testing.T) {
	long := strings.Repeat("k", 250)
	for _, tt := range []struct {
		cmd  command
		line string
		want answer
		size int
	}{
		{command{verb: vGet, key: "a"}, "VA 3 ka f7 c1 t99", answer{flags: 7, cas: 1, left: 99}, 3},
		{command{verb: vGet, key: "a"}, "VA 0 ka f4294967295 c18446744073709551615 t-1", answer{flags: 1<<32 - 1, cas: 1<<64 - 1, left: leftNever}, 0},
		{command{verb: vGet, key: "a"}, "VA 1073741824 ka f0 c1 t8589934592", answer{cas: 1, left: 1 << 33}, 1 << 30},
		{command{verb: vGet, key: long}, "VA 1 k" + long, answer{left: leftUnknown}, 1},
		{command{verb: vGet, key: "a"}, "VA 1 W X Z ka ", answer{left: leftUnknown}, 1},
		{command{verb: vGet, key: "a"}, "EN", answer{status: stMissing, left: leftUnknown}, -1},
		{command{verb: vGet, key: "a"}, "SERVER_ERROR out of memory writing get response", answer{status: stRefused, err: errOutOfMemory, left: leftUnknown}, -1},
		{command{verb: vLook, key: "a"}, "HD s12 f7 c3 t5", answer{size: 12, flags: 7, cas: 3, left: 5}, -1},
		{command{verb: vLook, key: "a"}, "EN", answer{status: stMissing, left: leftUnknown}, -1},
		{command{verb: vTouch, key: "a"}, "HD s0 f1128660992 c3 t5", answer{flags: 1128660992, cas: 3, left: 5}, -1},
		{command{verb: vSet}, "STORED", answer{left: leftUnknown}, -1},
		{command{verb: vSet}, "SERVER_ERROR object too large for cache", answer{status: stRefused, err: backends.ErrTooLarge, left: leftUnknown}, -1},
		{command{verb: vSet}, "SERVER_ERROR out of memory storing object", answer{status: stRefused, err: errOutOfMemory, left: leftUnknown}, -1},
		{command{verb: vSet}, "SERVER_ERROR secret", answer{status: stRefused, err: errServer, left: leftUnknown}, -1},
		{command{verb: vAdd}, "NOT_STORED", answer{status: stNotStored, left: leftUnknown}, -1},
		{command{verb: vSwap}, "EXISTS", answer{status: stExists, left: leftUnknown}, -1},
		{command{verb: vSwap}, "NOT_FOUND", answer{status: stMissing, left: leftUnknown}, -1},
		{command{verb: vBump}, "NOT_STORED", answer{status: stNotStored, left: leftUnknown}, -1},
		{command{verb: vAdd, token: true}, "HD c7", answer{cas: 7, left: leftUnknown}, -1},
		{command{verb: vAdd, token: true}, "NS c0", answer{status: stNotStored, left: leftUnknown}, -1},
		{command{verb: vSwap, token: true}, "EX c0", answer{status: stExists, left: leftUnknown}, -1},
		{command{verb: vSwap, token: true}, "NF c0", answer{status: stMissing, left: leftUnknown}, -1},
		{command{verb: vDelete}, "HD", answer{left: leftUnknown}, -1},
		{command{verb: vDelete}, "NF", answer{status: stMissing, left: leftUnknown}, -1},
		{command{verb: vDeleteIf}, "EX", answer{status: stExists, left: leftUnknown}, -1},
	} {
		var got answer
		size, err := parseAnswer([]byte(tt.line), &tt.cmd, &got)
		if err != nil || size != tt.size || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("verb %d, %q:\n got %+v, size %d, %v\nwant %+v, size %d", tt.cmd.verb, tt.line, got, size, err, tt.want, tt.size)
		}
	}
}

// Whatever does not answer the question ends the connection.
func TestParseAnswerSurprise(t *testing.T) {
	for _, tt := range []struct {
		cmd  command
		line string
	}{
		{command{verb: vGet, key: "a"}, ""},
		{command{verb: vGet, key: "a"}, "HD ka"},
		{command{verb: vGet, key: "a"}, "VA"},
		{command{verb: vGet, key: "a"}, "VA x ka"},
		{command{verb: vGet, key: "a"}, "VA -1 ka"},
		{command{verb: vGet, key: "a"}, "VA 1073741825 ka"},
		{command{verb: vGet, key: "a"}, "VA 18446744073709551616 ka"},
		{command{verb: vGet, key: "a"}, "VA 3 kb f7 c1"}, // somebody else's session
		{command{verb: vGet, key: "a"}, "VA 3 f7 c1"},
		{command{verb: vGet, key: "a"}, "VA 3 ka f4294967296"},
		{command{verb: vGet, key: "a"}, "VA 3 ka c-1"},
		{command{verb: vGet, key: "a"}, "VA 3 ka t-2"},
		{command{verb: vGet, key: "a"}, "VA 3 ka t8589934593"},
		{command{verb: vGet, key: "a"}, "NF"},
		{command{verb: vGet, key: "a"}, "STORED"},
		{command{verb: vGet, key: "a"}, "ERROR"},
		{command{verb: vGet, key: "a"}, "CLIENT_ERROR bad command line format"},
		{command{verb: vLook, key: "a"}, "VA 3 ka"},
		{command{verb: vLook, key: "a"}, "HD sx"},
		{command{verb: vSet}, "HD"},
		{command{verb: vSet}, "EN"},
		{command{verb: vSet}, "NS"},
		{command{verb: vSet, token: true}, "STORED"},
		{command{verb: vSet, token: true}, "HD cx"},
		{command{verb: vDelete}, "STORED"},
		{command{verb: vDelete}, "NOT_FOUND"},
		{command{verb: vDelete}, "NS"},
		{command{verb: vBump}, "HD"},
		{command{verb: vSet}, "CLIENT_ERROR bad data chunk"},
	} {
		var a answer
		if size, err := parseAnswer([]byte(tt.line), &tt.cmd, &a); !errors.Is(err, errProtocol) {
			t.Errorf("verb %d, %q: got %+v, size %d, %v, want errProtocol", tt.cmd.verb, tt.line, a, size, err)
		}
	}
}

func FuzzParseAnswer(f *testing.F) {
	f.Add("VA 3 ka f7 c1 t99", byte(vGet), false)
	f.Add("HD s3 f7 c1 t-1", byte(vLook), false)
	f.Add("HD c12", byte(vAdd), true)
	f.Add("NOT_STORED", byte(vAdd), false)
	f.Add("SERVER_ERROR out of memory storing object", byte(vSet), false)
	f.Add("VA 18446744073709551617 k", byte(vGet), false)
	f.Fuzz(func(t *testing.T, line string, v byte, token bool) {
		cmd := command{verb: verb(v % (byte(vDeleteIf) + 1)), key: "a", token: token}
		var a answer
		size, err := parseAnswer([]byte(line), &cmd, &a)
		switch {
		case err != nil:
			return
		case size > maxValue || size < -1 || size >= 0 && cmd.verb != vGet:
			t.Errorf("size %d", size)
		case (a.status == stRefused) != (a.err != nil):
			t.Errorf("status %d with error %v", a.status, a.err)
		case a.left < leftUnknown, a.size < 0, a.size > maxValue:
			t.Errorf("left %d, size %d", a.left, a.size)
		}
		if size >= 0 && !strings.Contains(" "+line+" ", " ka ") {
			t.Errorf("a value without its key was taken: %q", line)
		}
	})
}

func FuzzMarks(f *testing.F) {
	f.Add([]byte("m1 0\n0123456789abcdef 7 =127.0.0.1%3A1 =1-2\n"))
	f.Add([]byte("m1 1795285170000\n"))
	f.Add([]byte("m1 x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := decodeMarks(data)
		if err != nil {
			return
		}
		again, err := decodeMarks(m.encode())
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Errorf("got %+v, %v, want %+v", again, err, m)
		}
	})
}

func TestEncode(t *testing.T) {
	for _, tt := range []struct {
		cmd  command
		want string
	}{
		{command{verb: vGet, key: "a"}, "mg a k v f c t\r\n"},
		{command{verb: vLook, key: "a"}, "mg a s f c t\r\n"},
		{command{verb: vTouch, key: "a", exp: 60}, "mg a s f c t T60\r\n"},
		{command{verb: vSet, key: "a", data: []byte("x\r\ny"), flags: 7, exp: -1}, "set a 7 -1 4\r\nx\r\ny\r\n"},
		{command{verb: vAdd, key: "a", flags: claimFlags, exp: 11}, fmt.Sprintf("add a %d 11 0\r\n\r\n", claimFlags)},
		{command{verb: vSwap, key: "a", data: []byte("x"), cas: 1<<64 - 1}, "cas a 0 0 1 18446744073709551615\r\nx\r\n"},
		{command{verb: vBump, key: "a"}, "append a 0 0 0\r\n\r\n"},
		{command{verb: vDelete, key: "a"}, "md a\r\n"},
		{command{verb: vDeleteIf, key: "a", cas: 9}, "md a C9\r\n"},
		{command{verb: vSet, key: "a", data: []byte("x"), token: true, exp: 5}, "ms a 1 c F0 T5\r\nx\r\n"},
		{command{verb: vAdd, key: "a", data: []byte("x"), token: true}, "ms a 1 c F0 T0 ME\r\nx\r\n"},
		{command{verb: vSwap, key: "a", token: true, cas: 9, flags: 3}, "ms a 0 c F3 T0 C9\r\n\r\n"},
	} {
		got := string(tt.cmd.appendTo(nil))
		if got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
		if most := len(tt.cmd.key) + len(tt.cmd.data) + overhead; len(got) > most {
			t.Errorf("%q is longer than the %d bytes counted for it", got, most)
		}
	}
}
