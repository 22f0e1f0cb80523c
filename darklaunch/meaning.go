package darklaunch

import (
	"bytes"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/alike"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
)

// means tells whether two sessions mean the same to the application, by the
// format of their kind, and gives their flags without what says how a value was
// compressed where that was looked through. A difference that means nothing is
// no divergence; where something is copied it is copied by its bytes all the
// same (equal).
func means(ref kinds.Ref, a, b *backends.Session) (same bool, aflags, bflags uint32) {
	if bytes.Equal(a.Data, b.Data) {
		return true, a.Flags, b.Flags
	}
	k := ref.Kind()
	if k.Format == alike.Bytes {
		return false, a.Flags, b.Flags
	}
	da, fa := alike.Plain(a.Flags, a.Data)
	db, fb := alike.Plain(b.Flags, b.Data)
	return alike.Same(k.Format, da, db, k.Ignore), fa, fb
}
