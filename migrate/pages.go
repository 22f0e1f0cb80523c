package migrate

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/seed-41165957/crossfade/migrate/book"
)

// jobPage is the page of the book in which a job keeps what it needs to go on
// after it was killed.
func jobPage(name string) string { return "job-" + name }

// loadPage reads a job's page into v. One that is not there, or is damaged,
// leaves v as it is: a job then begins anew, which does no harm.
func (m *Migration) loadPage(name string, v any) (found bool, err error) {
	data, err := m.page(jobPage(name))
	if err != nil {
		return false, err
	}
	return data != nil && json.Unmarshal(data, v) == nil, nil
}

func (m *Migration) savePage(by book.Lock, name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("migrate: page of job %s: %w", name, err)
	}
	return m.write(by, jobPage(name), append(data, '\n'))
}

// saveWish writes what is wished of a job: others do it while the job runs, so
// it has a page of its own.
func (m *Migration) saveWish(name string, w wish) error {
	ctx, cancel := context.WithTimeout(context.Background(), bookMost)
	defer cancel()
	lock, err := m.publisher(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	return m.savePage(lock, name+"-wish", w)
}
