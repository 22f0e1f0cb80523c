// Package screen is crossfade status -w on a terminal: the tree of stages, gates
// and agents, drawn again each second.
//
//	err := screen.Run(ctx, screen.Options{In: os.Stdin, Out: os.Stdout, Look: look})
//
// It promises to give the terminal back as it was, however it ends (q, Ctrl-C, a
// signal to who cancels ctx); to fit what is drawn into the window, also when its
// size changes; and to draw a frame in one write over the last one, so that
// nothing flickers. Frame is the drawing alone.
package screen

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/seed-41165957/crossfade/migrate/control"
)

// Options of Run. All but Every are needed.
type Options struct {
	In, Out *os.File
	// Look asks how things are, under a deadline.
	Look func(ctx context.Context) (control.Overview, error)
	// Every is the pause between two looks. Default 1 s.
	Every time.Duration
	// Colour is set where colours may be used: see Colour.
	Colour bool
}

// lookMost is how long a look may take. What was seen before stays, with its age.
const lookMost = 10 * time.Second

// Able tells whether a file is a terminal that can be drawn on.
func Able(f *os.File) bool {
	return term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" && os.Getenv("TERM") != ""
}

// Colour tells whether colours are welcome (no-color.org).
func Colour() bool { return os.Getenv("NO_COLOR") == "" }

// Of a terminal that understands xterm's sequences: the other screen, the cursor,
// and synchronized output, which others ignore.
const (
	enter = "\x1b[?1049h\x1b[?25l\x1b[2J"
	leave = "\x1b[?25h\x1b[?1049l"
	begin = "\x1b[?2026h\x1b[H"
	end   = "\x1b[J\x1b[?2026l"
)

// Run shows the screen until q or Ctrl-C is typed, or ctx ends; neither is an
// error.
func Run(ctx context.Context, o Options) error {
	if o.Every <= 0 {
		o.Every = time.Second
	}
	if fd := int(o.In.Fd()); term.IsTerminal(fd) {
		was, err := term.MakeRaw(fd)
		if err != nil {
			return err
		}
		defer term.Restore(fd, was)
	}
	if _, err := o.Out.WriteString(enter); err != nil {
		return err
	}
	defer o.Out.WriteString(leave)

	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH, syscall.SIGCONT)
	defer signal.Stop(resized)
	seen := make(chan View)
	wg.Go(func() { o.look(ctx, seen) })
	wg.Go(func() { keys(ctx, o.In, cancel) })

	var v View
	age := time.NewTicker(time.Second) // of what was seen, while nothing answers
	defer age.Stop()
	for {
		if err := o.draw(v); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case n := <-seen:
			if n.Err == nil || v.Seen.IsZero() {
				v = n
			} else {
				v.Err = n.Err
			}
		case <-resized:
		case <-age.C:
		}
	}
}

// look asks again and again.
func (o *Options) look(ctx context.Context, seen chan<- View) {
	for ctx.Err() == nil {
		short, cancel := context.WithTimeout(ctx, lookMost)
		all, err := o.Look(short)
		cancel()
		v := View{Overview: all, Seen: time.Now(), Err: err}
		if err != nil {
			v.Seen = time.Time{}
		}
		select {
		case seen <- v:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(o.Every):
		case <-ctx.Done():
		}
	}
}

// draw puts a frame over the last one, in one write.
func (o *Options) draw(v View) error {
	width, height, err := term.GetSize(int(o.Out.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		width, height = 80, 24
	}
	var b strings.Builder
	b.WriteString(begin)
	for i, l := range Frame(v, time.Now(), width, height, o.Colour) {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(l + "\x1b[K")
	}
	b.WriteString(end)
	_, err = o.Out.WriteString(b.String())
	return err
}

// keys ends the screen at q, Ctrl-C or Ctrl-D. It waits for the terminal only so
// long that its end can be waited for.
func keys(ctx context.Context, f *os.File, quit func()) {
	fds := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}
	buf := make([]byte, 64)
	for ctx.Err() == nil {
		n, err := unix.Poll(fds, 100)
		if err == unix.EINTR || err == nil && n == 0 {
			continue
		}
		if err != nil {
			return
		}
		got, err := f.Read(buf)
		if strings.ContainsAny(string(buf[:got]), "qQ\x03\x04") {
			quit()
			return
		}
		if err != nil { // the end of what is no terminal: the screen stays
			return
		}
	}
}
