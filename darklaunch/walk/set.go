package walk

// set holds 64-bit hashes, open addressing, never 0.
type set struct {
	slots []uint64
	n     int
}

func (t *set) add(h uint64) bool {
	if t.n*4 >= len(t.slots)*3 {
		t.grow()
	}
	if !t.put(h) {
		return false
	}
	t.n++
	return true
}

func (t *set) put(h uint64) bool {
	mask := uint64(len(t.slots) - 1)
	for i := (h >> 8) & mask; ; i = (i + 1) & mask {
		switch t.slots[i] {
		case h:
			return false
		case 0:
			t.slots[i] = h
			return true
		}
	}
}

func (t *set) grow() {
	old := t.slots
	t.slots = make([]uint64, max(64, 2*len(old)))
	for _, h := range old {
		if h != 0 {
			t.put(h)
		}
	}
}
