package evidence

import (
	"encoding/json"
	"math/bits"
	"strconv"
	"sync/atomic"
	"time"
)

// A duration falls into one of eight buckets between two powers of two of
// microseconds: what is read back is off by at most 1/16, whatever the size.
// The last bucket ends past a minute; no store call lasts longer.
const (
	subBits = 3
	sub     = 1 << subBits
	octaves = 26
	width   = sub * (octaves - subBits + 1)
)

// bucket is where a duration falls.
func bucket(d time.Duration) int {
	us := uint64(max(d, 0) / time.Microsecond)
	if us < sub {
		return int(us)
	}
	shift := bits.Len64(us) - subBits - 1
	return min((shift+1)*sub+int(us>>shift)-sub, width-1)
}

// middle of a bucket.
func middle(b int) time.Duration {
	if b < sub {
		return time.Duration(b)*time.Microsecond + time.Microsecond/2
	}
	shift := b/sub - 1
	low := uint64(b%sub+sub) << shift
	return time.Duration(low)*time.Microsecond + time.Duration(uint64(1)<<shift)*time.Microsecond/2
}

// live is a histogram that many goroutines add to.
type live [width]atomic.Uint64

func (h *live) add(d time.Duration) { h[bucket(d)].Add(1) }

// Histogram is how often each duration was seen. Two are merged by adding them;
// the zero value is empty.
type Histogram [width]uint64

// Count of all that was seen.
func (h *Histogram) Count() (n uint64) {
	for _, c := range h {
		n += c
	}
	return n
}

// Quantile is the duration that a share q of all does not exceed, off by at
// most 1/16 of itself; 0 for an empty histogram.
func (h *Histogram) Quantile(q float64) time.Duration {
	n := h.Count()
	if n == 0 {
		return 0
	}
	rank := uint64(q * float64(n))
	if float64(rank) < q*float64(n) {
		rank++
	}
	rank = min(max(rank, 1), n)
	for b, c := range h {
		if c >= rank {
			return middle(b)
		}
		rank -= c
	}
	return middle(width - 1)
}

func (h *Histogram) add(o *Histogram) {
	for i, c := range o {
		h[i] += c
	}
}

// less takes away what was there before. A count that fell is a new life of the
// agent: all of it is new.
func (h *Histogram) less(o *Histogram) {
	for i, c := range o {
		if h[i] >= c {
			h[i] -= c
		}
	}
}

// MarshalJSON writes the buckets that are not empty.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for b, c := range h {
		if c == 0 {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, '"')
		out = strconv.AppendInt(out, int64(b), 10)
		out = append(out, '"', ':')
		out = strconv.AppendUint(out, c, 10)
	}
	return append(out, '}'), nil
}

// UnmarshalJSON reads them. What another version counts beyond ours falls into
// the last bucket.
func (h *Histogram) UnmarshalJSON(data []byte) error {
	var m map[int]uint64
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	*h = Histogram{}
	for b, c := range m {
		h[min(max(b, 0), width-1)] += c
	}
	return nil
}
