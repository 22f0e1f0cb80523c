package migrate

import (
	"context"
	"encoding/binary"
	"math"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
)

type sampleKey struct{}

// WithSample lets a verification that is begun with ctx look at a share of the
// sessions alone, above 0 and below 1. One that does opens no gate.
func WithSample(ctx context.Context, share float64) context.Context {
	return context.WithValue(ctx, sampleKey{}, share)
}

// SampleOf is the share that WithSample has given; 0: all.
func SampleOf(ctx context.Context) float64 {
	share, _ := ctx.Value(sampleKey{}).(float64)
	return share
}

// sampled tells whether a session is one of a share. It goes by bytes of the
// keyed hash that neither the bucket nor the agents' own samples go by: both
// walks, and each run, see the same sessions.
func sampled(h flags.Hash, share float64) bool {
	return share == 0 || float64(binary.BigEndian.Uint32(h[8:12])) < share*(1<<32)
}

// Share is a part of the sessions, with the bounds between which it lies in all
// of them in 19 of 20 samples.
type Share struct {
	Found float64 `json:"found"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// shareOf is Wilson's interval of k among n (Wilson 1927; unlike k/n ± 2 s it
// holds for k = 0, which is what one hopes for: then High is some 3.8/n).
func shareOf(k, n int64) Share {
	if n == 0 {
		return Share{High: 1}
	}
	const z = 1.959964 // of 95 %
	p, m := float64(k)/float64(n), float64(n)
	mid := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return Share{Found: p, Low: max(0, mid-half), High: min(1, mid+half)}
}
