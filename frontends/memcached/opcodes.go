package memcached

import "github.com/seed-41165957/crossfade/darklaunch/kinds"

// status is the outcome of a packet.
type status uint16

const (
	statusOK        status = 0x00
	statusNotFound  status = 0x01
	statusExists    status = 0x02
	statusTooLarge  status = 0x03
	statusInvalid   status = 0x04
	statusNotStored status = 0x05
	statusNoNumber  status = 0x06
	statusUnknown   status = 0x81
	statusRefused   status = 0x83 // not supported
	statusInternal  status = 0x84
)

// statusText is the body of an answer that is an error.
var statusText = map[status]string{
	statusNotFound: "Not found", statusExists: "Data exists for key.", statusTooLarge: "Too large.", statusInvalid: "Invalid arguments",
	statusNotStored: "Not stored.", statusNoNumber: "Non-numeric server-side value for incr or decr", statusUnknown: "Unknown command",
}

// opcode of a packet, the one that is not quiet.
type opcode uint8

const (
	opGet       opcode = 0x00
	opSet       opcode = 0x01
	opAdd       opcode = 0x02
	opReplace   opcode = 0x03
	opDelete    opcode = 0x04
	opIncrement opcode = 0x05
	opDecrement opcode = 0x06
	opQuit      opcode = 0x07
	opFlush     opcode = 0x08
	opNoop      opcode = 0x0a
	opVersion   opcode = 0x0b
	opGetK      opcode = 0x0c
	opAppend    opcode = 0x0e
	opPrepend   opcode = 0x0f
	opStat      opcode = 0x10
	opTouch     opcode = 0x1c
	opGat       opcode = 0x1d
	opSASLList  opcode = 0x20
	opGatK      opcode = 0x23
)

// quietly are the opcodes whose success (of reads: whose miss) is not answered.
var quietly = map[opcode]opcode{0x09: opGet, 0x0d: opGetK, 0x11: opSet, 0x12: opAdd, 0x13: opReplace, 0x14: opDelete, 0x15: opIncrement,
	0x16: opDecrement, 0x17: opQuit, 0x18: opFlush, 0x19: opAppend, 0x1a: opPrepend, 0x1e: opGat, 0x24: opGatK}

// packet is one request. Its slices are valid until the next one is read.
type packet struct {
	given  opcode // as the client sent it
	op     opcode
	quiet  bool
	opaque [4]byte
	cas    uint64
	extras [20]byte
	key    []byte
	value  int // bytes that follow the key, and are not read yet
	r      kinds.Ref
}

// shape is what a packet has to look like.
type shape struct {
	extras     int
	key, value bool // must there be one, may there be one
}

var shapes = map[opcode]shape{
	opGet: {0, true, false}, opGetK: {0, true, false}, opDelete: {0, true, false}, opTouch: {4, true, true}, opGat: {4, true, true}, opGatK: {4, true, true},
	opSet: {8, true, true}, opAdd: {8, true, true}, opReplace: {8, true, true}, opAppend: {0, true, true}, opPrepend: {0, true, true},
	opIncrement: {20, true, false}, opDecrement: {20, true, false},
	opQuit: {}, opNoop: {}, opVersion: {}, opSASLList: {},
}
