package flags

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// Ramp is how many of the 10,000 buckets are at least in each later stage, so
// Cutover ≤ ReadNew ≤ Mirror.
type Ramp struct {
	Mirror, ReadNew, Cutover int
}

// Ramp of the weights. A session in back is at least in read-new, and not in
// cutover.
func (w Weights) Ramp() Ramp {
	return Ramp{
		Mirror:  w.atLeast(position.Mirror),
		ReadNew: w.atLeast(position.ReadNew),
		Cutover: w[position.Cutover],
	}
}

// Weights of a ramp at rest, with nobody sealed or on the way back. Sessions
// that are in mirror and no further are in mirror as given: position.Mirror or
// position.Fenced.
func (r Ramp) Weights(mirror position.Position) (Weights, error) {
	if mirror != position.Mirror && mirror != position.Fenced {
		return Weights{}, fmt.Errorf("flags: stage mirror cannot be %v: accepted are mirror and fenced", mirror)
	}
	if r.Cutover < 0 || r.Cutover > r.ReadNew || r.ReadNew > r.Mirror || r.Mirror > Buckets {
		return Weights{}, fmt.Errorf("flags: ramp mirror %s, read-new %s, cutover %s: each must hold the next, from 0 to 100 %%",
			PercentText(r.Mirror), PercentText(r.ReadNew), PercentText(r.Cutover))
	}
	var w Weights
	w[position.Cutover] = r.Cutover
	w[position.ReadNew] = r.ReadNew - r.Cutover
	w[mirror] = r.Mirror - r.ReadNew
	w[position.Off] = Buckets - r.Mirror
	return w, nil
}

// Of gives the ramp of one stage by its name; off is always everything.
func (r Ramp) Of(stage string) (buckets int, ok bool) {
	switch stage {
	case "off":
		return Buckets, true
	case "mirror":
		return r.Mirror, true
	case "read-new":
		return r.ReadNew, true
	case "cutover":
		return r.Cutover, true
	}
	return 0, false
}

// atLeast is the bucket at which p ends: how many buckets stand in p or before
// it on the Ladder.
func (w Weights) atLeast(p position.Position) int {
	n := 0
	for _, q := range Ladder {
		n += w[q]
		if q == p {
			break
		}
	}
	return n
}

// Ends gives, for each position, the bucket at which it ends.
func (w Weights) Ends() [position.Count]int {
	var ends [position.Count]int
	for _, p := range Ladder {
		ends[p] = w.atLeast(p)
	}
	return ends
}

// Percent reads "12.5" or "12.5%" as buckets: 1250. Two decimals at most: a
// bucket is 0.01 %.
func Percent(text string) (buckets int, err error) {
	bad := fmt.Errorf("flags: %q is no percentage: accepted are 0 to 100 with at most two decimals, such as 12.5", text)
	whole, part, dot := strings.Cut(strings.TrimSuffix(text, "%"), ".")
	if dot && (len(part) == 0 || len(part) > 2) || len(whole) > 3 {
		return 0, bad
	}
	for len(part) < 2 {
		part += "0"
	}
	n, err := strconv.ParseUint(whole+part, 10, 32)
	if err != nil || whole == "" || n > Buckets {
		return 0, bad
	}
	return int(n), nil
}

// PercentText writes buckets as Percent reads them: "12.5".
func PercentText(buckets int) string {
	return strconv.FormatFloat(float64(buckets)/100, 'f', -1, 64)
}

// pinned gives the hashes of the pins in rising order.
func (d *Definition) pinned() []Hash {
	hs := make([]Hash, 0, len(d.Pins))
	for h := range d.Pins {
		hs = append(hs, h)
	}
	slices.SortFunc(hs, func(a, b Hash) int { return bytes.Compare(a[:], b[:]) })
	return hs
}

// At is where a session is, and whether a pin says so.
func (d *Definition) At(h Hash) (at position.Position, pinned bool) {
	if at, pinned = d.Pins[h]; pinned {
		return at, true
	}
	at, _ = d.Cohort(h)
	return at, false
}

// Cohort is where a session's bucket is, pinned or not, and whether read-new is
// settled there.
func (d *Definition) Cohort(h Hash) (at position.Position, settled bool) {
	b := d.Bucket(h)
	end := 0
	for _, p := range Ladder {
		if end += d.Weights[p]; b < end {
			return p, p == position.ReadNew && b < d.Settled
		}
	}
	return position.Off, false
}

// Bucket of a session: 0 to 9,999.
func (d *Definition) Bucket(h Hash) int {
	seed := d.Bucketing
	if seed == "" {
		seed = Key
	}
	b := newBucketer(seed)
	return int(b.bucket(&h))
}
