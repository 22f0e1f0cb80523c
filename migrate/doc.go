// Package migrate moves a migration: it publishes the revisions of the flag one
// by one, waits until every agent has acknowledged each, checks before each
// what the rules ask (rules.Gate), copies what was there before the mirror
// began, and takes all of it back.
//
//	m, err := migrate.New(migrate.Options{
//		Migration: "sessions", Book: files.New("flags.json"), Agents: []string{"127.0.0.1:9311"},
//		Kinds: kinds, Layer: stores, Digest: digest, Wait: 10 * time.Minute,
//	})
//	_, err = m.Ramp(ctx, "mirror", 10_000, progress) // 100 %
//	_, err = m.Backfill(ctx, progress)               // publishes the fence, then copies
//	_, err = m.Verify(ctx, progress)
//	_, err = m.Ramp(ctx, "read-new", 500, progress)  // 5 %
//	_, err = m.Rollback(ctx, "mirror", progress)
//
// It promises that one position is changed at a time, and only when every agent
// has acknowledged the last revision: no older operation, queued write, call of
// unknown outcome or lock is left anywhere. A step that may not be taken is
// refused with the gate's name, what was found and what to do (Refusal); one
// that waits too long says whom it waits for and why (Waiting), and what it did
// is whole: the same call goes on from there. So does the same call after a
// crash at any point: where it goes next is read off the flag file alone.
//
// Beside the flag file it keeps a record of what was copied and verified, and
// locks for the one who publishes and the one who copies: docs/formats.md, "What
// the orchestrator keeps".
package migrate
