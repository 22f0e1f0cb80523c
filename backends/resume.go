package backends

import "context"

// Resumer is a Scanner that can go on where an earlier scan was.
type Resumer interface {
	Scanner
	// ScanFrom is Scan of everything from a place on; "" is the beginning. With
	// each batch fn gets the place behind it, or "" where there is none to be
	// had: then an older one counts on. A place says nothing of what is behind
	// it, is good for as long as the server runs, and holds no whole name: it may
	// be kept in a file. fresh is set where a place no longer means anything and
	// the scan began anew.
	ScanFrom(ctx context.Context, place string, fn func(names []string, next string) error) (fresh bool, err error)
}

// Sizer is a store that says how many keys it holds without looking at each:
// whatever their kind, Crossfade's own too, those that have run out perhaps, and
// where it keeps statistics only, about.
type Sizer interface {
	Size(ctx context.Context) (int64, error)
}
