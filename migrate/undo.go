package migrate

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// undoSlack is how far a deadline may be from what the repair wrote, where
// nobody has touched the session since: whole seconds, twice.
const undoSlack = 2 * time.Second

// undoEntry is one line of the undo log: docs/formats.md. It holds a session's
// name and data.
type undoEntry struct {
	Version int       `json:"version"`
	Name    string    `json:"name"` // in old, by which the kind is known
	Found   bool      `json:"found"`
	Data    []byte    `json:"data,omitempty"`
	Flags   uint32    `json:"flags,omitempty"`
	Ends    time.Time `json:"ends,omitzero"`
	// What the repair wrote: the SHA-256 of the data, empty where it removed it.
	Wrote     string    `json:"wrote,omitempty"`
	WroteEnds time.Time `json:"wrote_ends,omitzero"`
}

func entryOf(ref kinds.Ref, was, now *backends.Record) undoEntry {
	e := undoEntry{Version: 1, Name: ref.OldKey().Name, Found: was.Found}
	if was.Found {
		e.Data, e.Flags, e.Ends = was.Data, was.Flags, was.Deadline
	}
	if now.Found {
		e.Wrote, e.WroteEnds = dataSum(now.Data), now.Deadline
	}
	return e
}

func (e undoEntry) same(f undoEntry) bool {
	return e.Found == f.Found && bytes.Equal(e.Data, f.Data) && e.Flags == f.Flags && e.Wrote == f.Wrote &&
		near(e.Ends, f.Ends) && near(e.WroteEnds, f.WroteEnds)
}

func near(a, b time.Time) bool {
	return a.IsZero() == b.IsZero() && (a.IsZero() || a.Sub(b).Abs() <= undoSlack)
}

func dataSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// undoLog is a file of lines, each on the disk before the session is written.
type undoLog struct {
	f    *os.File
	path string
}

// newUndo makes the file, mode 0600: it holds sessions.
func (m *Migration) newUndo(path string) (*undoLog, error) {
	if path == "" {
		if m.o.UndoDir == "" {
			return nil, errors.New("migrate: repair: no folder for the undo log: name a file (--undo)")
		}
		path = filepath.Join(m.o.UndoDir, "repair-"+m.o.Migration+"-"+time.Now().UTC().Format("20060102T150405.000")+".undo")
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("migrate: undo log: %w", err)
	}
	return &undoLog{f, path}, nil
}

func (l *undoLog) add(e undoEntry) error {
	line, err := json.Marshal(e)
	if err == nil {
		_, err = l.f.Write(append(line, '\n'))
	}
	if err == nil {
		err = l.f.Sync()
	}
	if err != nil {
		return fmt.Errorf("migrate: undo log: %w: nothing more was repaired", err)
	}
	return nil
}

func (l *undoLog) close() error {
	if l == nil {
		return nil
	}
	return l.f.Close()
}

// UndoReport is what taking back a repair came to. No id is in it.
type UndoReport struct {
	Entries int64 `json:"entries"`
	Back    int64 `json:"back"`    // hold again what they held
	Changed int64 `json:"changed"` // somebody has written since, or the repair did not: they stay
	Over    int64 `json:"over"`    // what they held has ended since
	Serving int64 `json:"serving"` // are read from new: they stay
	Failed  int64 `json:"failed"`
}

// UndoRepair puts back what a repair replaced, by guarded swaps, where nobody
// has written since, and where new is not read. What was verified counts no more.
// A name without a slash is one of Options.UndoDir.
func (m *Migration) UndoRepair(ctx context.Context, path string, progress func(Progress)) (rep UndoReport, err error) {
	if filepath.Base(path) == path {
		path = filepath.Join(m.o.UndoDir, path)
	}
	entries, err := readUndo(path)
	if err != nil {
		return rep, err
	}
	cur, err := m.read()
	if err != nil {
		return rep, err
	}
	c, err := m.job(ctx, "undo", cur, darklaunch.Forward, tell(progress))
	if err != nil {
		return rep, err
	}
	_, err = m.change(ctx, func(_ *revision, r *record) error { r.drop("a repair was taken back"); return nil })
	if err == nil {
		c.stage("undo", int64(len(entries)))
		for _, e := range entries {
			if err = ctx.Err(); err != nil {
				break
			}
			c.undo(ctx, e, &rep)
			c.done.Add(1)
			c.tell()
		}
	}
	err = c.end(ctx, err)
	if err == nil && rep.Failed > 0 {
		err = fmt.Errorf("migrate: undo: %d sessions could not be written: run it again", rep.Failed)
	}
	return rep, err
}

func (c *copier) undo(ctx context.Context, e undoEntry, rep *UndoReport) {
	rep.Entries++
	ref, ok := c.m.o.Kinds.FromOld(e.Name)
	g, ok2 := c.o.New.Store.(backends.Guarder)
	if !ok || !ok2 {
		rep.Failed++
		return
	}
	if _, at := c.layer.Position(ref); at.Position != position.Mirror && at.Position != position.Fenced {
		rep.Serving++
		return
	}
	notAfter := time.Now().Add(c.m.copyMost())
	one, cancel := context.WithDeadline(ctx, notAfter)
	defer cancel()
	guard, err := g.Guard(one, ref.NewKey(), notAfter)
	if err != nil {
		rep.Failed++
		return
	}
	defer guard.Release()
	now := guard.Record()
	sum := ""
	if now.Found {
		sum = dataSum(now.Data)
	}
	if sum != e.Wrote || now.Found && !near(now.Deadline, e.WroteEnds) {
		rep.Changed++
		return
	}
	s := backends.Session{Key: ref.NewKey(), Data: e.Data, Flags: e.Flags, Deadline: e.Ends}
	switch {
	case !e.Found:
		s.Deadline = time.Unix(1, 0) // missing at once, and no tombstone
	case s.Expired(time.Now()):
		rep.Over++
		return
	}
	if now.Gone { // the repair buried it
		err = guard.Revive(one, s)
	} else {
		err = guard.Swap(one, s)
	}
	switch {
	case errors.Is(err, backends.ErrConflict):
		rep.Changed++
	case err != nil:
		rep.Failed++
	default:
		rep.Back++
	}
}

// readUndo reads a log; of two entries of one session the later counts, and a
// last line that was cut off by a crash belongs to a session that was not
// written.
func readUndo(path string) (list []undoEntry, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("migrate: undo log: %w", err)
	}
	defer f.Close()
	at := map[string]int{}
	r := bufio.NewReader(f)
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return list, nil
		}
		var e undoEntry
		if json.Unmarshal(line, &e) != nil || e.Version != 1 || e.Name == "" {
			return nil, fmt.Errorf("migrate: undo log: line %d is no entry of version 1: nothing was taken back", n)
		}
		if i, ok := at[e.Name]; ok {
			list[i] = e
			continue
		}
		at[e.Name] = len(list)
		list = append(list, e)
	}
}
