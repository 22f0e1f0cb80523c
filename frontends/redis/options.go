package redis

// options are those of a SET or a GETEX.
type options struct {
	unit    string // ex, px, exat, pxat; empty: no time
	value   []byte // the time
	nx, xx  bool
	get     bool
	keep    bool // KEEPTTL
	persist bool // of GETEX
}

// units saves a string for each SET.
var units = map[string]string{"ex": "ex", "px": "px", "exat": "exat", "pxat": "pxat"}

// read reads those of a SET, or of a GETEX, as Redis does (t_string.c,
// parseExtendedStringArgumentsOrReply); not ok: a syntax error.
func (o *options) read(args [][]byte, getex bool) (ok bool) {
	for i := 0; i < len(args); i++ {
		var space [24]byte
		switch opt := lower(&space, args[i]); string(opt) {
		case "nx":
			o.nx = true
		case "xx":
			o.xx = true
		case "get":
			o.get = true
		case "keepttl":
			o.keep = true
		case "persist":
			o.persist = true
		case "ex", "px", "exat", "pxat":
			if i++; i == len(args) || o.unit != "" && o.unit != string(opt) {
				return false
			}
			o.unit, o.value = units[string(opt)], args[i]
		default:
			return false
		}
	}
	if getex {
		return !o.nx && !o.xx && !o.get && !o.keep && !(o.persist && o.unit != "")
	}
	return !o.persist && !(o.nx && o.xx) && !(o.keep && o.unit != "")
}
