package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// pages are what a job keeps between its runs, each replaced whole: after a
// crash the old one or the new one is there. A page that is not there is nil.
type pages interface {
	load(name string) ([]byte, error)
	save(name string, data []byte) error
}

// filePages lie beside the flag file.
type filePages struct{ flagFile string }

func (p filePages) path(name string) string { return p.flagFile + ".job-" + name }

func (p filePages) load(name string) ([]byte, error) {
	data, err := os.ReadFile(p.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

func (p filePages) save(name string, data []byte) error { return save(p.path(name), data) }

func (m *Migration) pages() pages { return filePages{m.o.FlagFile} }

// loadPage reads a page into v. One that is not there, or is damaged, leaves v
// as it is: a job then begins anew, which does no harm.
func (m *Migration) loadPage(name string, v any) (found bool, err error) {
	data, err := m.pages().load(name)
	if err != nil {
		return false, fmt.Errorf("migrate: page of job %s: %w", name, err)
	}
	return data != nil && json.Unmarshal(data, v) == nil, nil
}

func (m *Migration) savePage(name string, v any) error {
	data, err := json.Marshal(v)
	if err == nil {
		err = m.pages().save(name, append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("migrate: page of job %s: %w: run this where the flag file may be written", name, err)
	}
	return nil
}
