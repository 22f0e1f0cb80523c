package memcached

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"io"
	"os"
	"sync"
)

// spoolMemory is how much of a listing waits in memory. What is more waits in a
// file: a million names are some 40 MB.
const spoolMemory = 4 << 20

// spool is a queue of blocks between one who must not wait and one who may take
// long. While a server lists its keys it holds locks on what it lists, and a
// listing that nobody reads keeps those locked, for gets too: a reader that
// waits for the copies of what it has read waits for itself (seen with
// memcached 1.6.18, at some 50,000 keys).
//
// Names are session ids, so the file has no name, and is encrypted with a key
// that is nowhere but in this process. Where no file can be made all waits in
// memory.
type spool struct {
	mu    sync.Mutex // guards what follows
	queue []block
	held  int // bytes of the queue in memory
	ended bool
	err   error

	ready  chan struct{} // cap 1: something was put, or it has ended
	file   *os.File      // nil: none yet, or none can be made
	size   int64         // of the file
	none   bool          // no file can be made
	sealer cipher.Block
}

// block is in data, or in the file.
type block struct {
	data []byte
	at   int64
	size int
}

func newSpool() *spool { return &spool{ready: make(chan struct{}, 1)} }

// put adds a block, which is the spool's from then on.
func (s *spool) put(data []byte) {
	s.mu.Lock()
	b := block{data: data, size: len(data)}
	if s.held+len(data) > spoolMemory && s.write(&b) {
		b.data = nil
	} else {
		s.held += len(data)
	}
	s.queue = append(s.queue, b)
	s.mu.Unlock()
	s.wake()
}

// end says that nothing more comes, and why.
func (s *spool) end(err error) {
	s.mu.Lock()
	s.ended, s.err = true, err
	s.mu.Unlock()
	s.wake()
}

func (s *spool) wake() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// next waits for a block. After the last one it gives end's error, or io.EOF.
func (s *spool) next(ctx context.Context) ([]byte, error) {
	for {
		s.mu.Lock()
		if len(s.queue) > 0 {
			b := s.queue[0]
			s.queue[0] = block{}
			s.queue = s.queue[1:]
			if b.data != nil {
				s.held -= b.size
				s.mu.Unlock()
				return b.data, nil
			}
			file, sealer := s.file, s.sealer
			s.mu.Unlock()
			data := make([]byte, b.size)
			if _, err := file.ReadAt(data, b.at); err != nil {
				return nil, err
			}
			seal(sealer, b.at, data)
			return data, nil
		}
		ended, err := s.ended, s.err
		s.mu.Unlock()
		if ended {
			if err == nil {
				err = io.EOF
			}
			return nil, err
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// write moves a block to the file. It tells whether it did. The caller holds mu.
func (s *spool) write(b *block) bool {
	if s.none {
		return false
	}
	if s.file == nil && !s.open() {
		s.none = true
		return false
	}
	data := append([]byte(nil), b.data...)
	seal(s.sealer, s.size, data)
	if _, err := s.file.WriteAt(data, s.size); err != nil {
		s.none = true // a full disk. Nothing else is ever sealed for this place.
		return false
	}
	b.at = s.size
	// Each block begins with a counter of its own.
	s.size += int64(len(data)+aes.BlockSize-1) / aes.BlockSize * aes.BlockSize
	return true
}

func (s *spool) open() bool {
	var key [32]byte
	rand.Read(key[:])
	sealer, err := aes.NewCipher(key[:])
	if err != nil {
		return false
	}
	f, err := os.CreateTemp("", "crossfade-")
	if err != nil {
		return false
	}
	if os.Remove(f.Name()) != nil { // it must not outlive us
		f.Close()
		return false
	}
	s.file, s.sealer = f, sealer
	return true
}

// seal encrypts or decrypts what stands at a place in the file, which is a
// multiple of the cipher's block and used once.
func seal(c cipher.Block, at int64, data []byte) {
	var iv [aes.BlockSize]byte
	binary.BigEndian.PutUint64(iv[8:], uint64(at)/aes.BlockSize)
	cipher.NewCTR(c, iv[:]).XORKeyStream(data, data)
}

// close gives back the file. Nobody calls put or next any more.
func (s *spool) close() {
	if s.file != nil {
		s.file.Close()
	}
}
