package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// Forms of Unknown.Conn.
const (
	connPrefix = "id:"      // and the server's CLIENT ID
	unnamed    = "unnamed:" // and our address: the server did not give the id
)

// Settle ends the doubt about a call that any agent sent on the connection
// conn (Unknown.Conn, Mark.Conn) to the server runID: once it returns nil, the
// call was applied, or it never will be where it counts.
//
//   - The server that has the sessions now has that run id: Settle kills the
//     connection from another one.
//   - It has another run id, and is one server at a fixed address: the call's
//     server has ended, and its connections with it.
//   - Sentinel: a majority of the Sentinels names, with an epoch no older than
//     any that was followed, another server, and that one answers ROLE master.
//     The call's server is dead, or a replica (it was sent CLIENT KILL TYPE
//     normal with REPLICAOF), or cut off; in the last case it may still execute
//     the call, and throws its data away when it comes back, since a replica
//     takes its primary's. What it replicated before the failover is there
//     already. So nothing arrives later. (A second failover, back to such a
//     server before it has become a replica, would undo the first one's writes
//     with the call: two faults, and the loss is Sentinel's.)
//   - Cluster: the same, where all masters of the map answer that the cluster
//     is well, and none is the call's server.
//
// Otherwise it returns an error, and the call is as unknown as before: also
// where the server refuses CLIENT KILL or hides its run id.
func (s *Store) Settle(ctx context.Context, conn, runID string) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	id, ok := strings.CutPrefix(conn, connPrefix)
	if _, err := strconv.ParseInt(id, 10, 64); err != nil || !ok {
		if !strings.HasPrefix(conn, unnamed) {
			return fmt.Errorf("backends/redis: settle: %q names no connection of a Redis server", conn)
		}
		id = ""
	}
	return s.layout.settle(ctx, id, runID)
}

var errHidden = errors.New("backends/redis: settle: the server hides its run id (INFO): the call stays unknown until its late answer")

// settle looks for the call's server at one fixed address.
func (n *node) settle(ctx context.Context, id, runID string) error {
	if runID != "" {
		info, err := n.control.Info(ctx, "server").Result()
		if err != nil {
			return n.store.read(ctx, "settle", err)
		}
		if now := infoField(info, "run_id"); now != "" && now != runID {
			return nil
		}
	}
	return n.kill(ctx, id)
}

// kill ends a connection. It answers how many it has killed: none is as good.
// Should the server have been replaced since INFO, the id may be a stranger's
// connection, which then sees a lost connection; nothing worse.
func (n *node) kill(ctx context.Context, id string) error {
	const stays = "the call stays unknown until its late answer, or until the server restarts"
	if id == "" {
		return errors.New("backends/redis: settle: the server does not allow CLIENT ID, or a proxy stands before it: " + stays)
	}
	// No new call goes onto it: its answer may come in this moment.
	n.streams.RetireOne(connPrefix + id)
	err := n.store.read(ctx, "settle", n.control.ClientKillByFilter(ctx, "ID", id).Err())
	var r *ReplyError
	if errors.As(err, &r) && (r.Code == "NOPERM" || r.Code == "ERR") {
		return fmt.Errorf("%w: CLIENT KILL is needed: %s", err, stays)
	}
	return err
}

func (l *sentinel) settle(ctx context.Context, id, runID string) error {
	if runID == "" {
		return errHidden
	}
	// One look-up at a time may move the primary: join it, then ask anew.
	if err := l.begin(0).wait(ctx); err != nil {
		return err
	}
	cur := l.cur.Load()
	if cur == nil {
		return errNoSentinel
	}
	said, err := l.inquire(ctx)
	if err != nil {
		return err
	}
	pipe := cur.control.Pipeline()
	info, role := pipe.Info(ctx, "server"), pipe.Do(ctx, "role")
	if _, err := pipe.Exec(ctx); err != nil {
		return l.refresher.store.read(ctx, "settle", err)
	}
	now := infoField(info.Val(), "run_id")
	switch {
	case now == "":
		return errHidden
	case now == runID:
		return cur.kill(ctx, id)
	case isPrimary(role) != nil:
		return errNoPrimary
	case !said.majority || said.addr != cur.addr:
		return errors.New("backends/redis: settle: no majority of the Sentinels names another primary: the call stays unknown")
	}
	l.leave()
	return nil
}

// settle asks all masters whether they are the call's server, and where none
// is, whether each sees a cluster that is well: a master that was cut off from
// the others does not, and would name an old map.
func (l *cluster) settle(ctx context.Context, id, runID string) error {
	if runID == "" {
		return errHidden
	}
	if err := l.begin(0).wait(ctx); err != nil {
		return err
	}
	nodes, err := l.nodes(ctx)
	if err != nil {
		return err
	}
	errs := make([]error, len(nodes))
	ids := make([]string, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Go(func() { ids[i], errs[i] = n.standing(ctx) })
	}
	wg.Wait()
	for i, n := range nodes {
		if ids[i] == runID {
			return n.kill(ctx, id)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	l.leave()
	return nil
}

// standing gives the run id of a node of a cluster, and an error where that is
// no evidence: it is hidden, or the cluster is not well.
func (n *node) standing(ctx context.Context) (runID string, err error) {
	pipe := n.control.Pipeline()
	info, state := pipe.Info(ctx, "server"), pipe.Do(ctx, "cluster", "info")
	if _, err := pipe.Exec(ctx); err != nil {
		return "", n.store.read(ctx, "settle", err)
	}
	text, err := state.Text()
	if err != nil {
		return "", n.store.read(ctx, "settle", err)
	}
	runID = strings.Clone(infoField(info.Val(), "run_id"))
	switch {
	case runID == "":
		return "", errHidden
	case infoField(text, "cluster_state") != "ok":
		return runID, errors.New("backends/redis: settle: the cluster is not well: the call stays unknown")
	}
	return runID, nil
}
