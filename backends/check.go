package backends

// MaxData is the largest Data that every store takes: memcached's item limit
// of 1 MiB less its header and the key (protocol.txt; tried with 1.6.18).
const MaxData = 1<<20 - 512

// CheckKey returns ErrKey unless k can be a stored name: 1 to 250 bytes, no
// space or control byte. Adapters call it before anything is sent.
func CheckKey(k Key) error {
	if len(k.Name) == 0 || len(k.Name) > 250 {
		return ErrKey
	}
	for i := range len(k.Name) {
		if c := k.Name[i]; c <= ' ' || c == 0x7f {
			return ErrKey
		}
	}
	return nil
}
