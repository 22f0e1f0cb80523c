package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/seed-41165957/crossfade/migrate/access"
)

// newPassword asks for a password: on a terminal twice and without echo, else it
// reads one line of standard input. It is never an argument, which others could
// read.
func (a *app) newPassword(p *access.Person) error {
	password, err := a.readPassword("new password: ")
	if err != nil {
		return err
	}
	if _, ok := a.keyboard(); ok {
		again, err := a.readPassword("once more: ")
		if err != nil {
			return err
		}
		if !bytes.Equal(password, again) {
			return errors.New("users: the two differ: nothing was changed")
		}
	}
	return p.SetPassword(password)
}

func (a *app) keyboard() (fd int, ok bool) {
	f, ok := a.in.(*os.File)
	if !ok {
		return 0, false
	}
	fd = int(f.Fd())
	return fd, term.IsTerminal(fd)
}

func (a *app) readPassword(prompt string) ([]byte, error) {
	if fd, ok := a.keyboard(); ok {
		fmt.Fprint(a.err, prompt)
		line, err := term.ReadPassword(fd)
		fmt.Fprintln(a.err)
		if err != nil {
			return nil, errors.New("users: the terminal cannot be read")
		}
		return line, nil
	}
	line, err := bufio.NewReader(io.LimitReader(a.in, 4096)).ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.New("users: standard input cannot be read")
	}
	if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
		return nil, usage(errors.New("nothing on standard input: accepted is the password, in one line"))
	}
	return line, nil
}
