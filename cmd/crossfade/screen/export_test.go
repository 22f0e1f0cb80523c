package screen

// What the tests of a real terminal look at.
const (
	Enter = enter
	Leave = leave
	Begin = begin
	End   = end
)

var (
	Escapes = escapes
	Columns = columns
)
