package localserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const mariadbInstall = "apt-get install mariadb-server"

// MariaDB starts a mariadbd (tried with 10.11) whose user root has no password,
// on TCP and on the socket MariaDBSocket names. At each start it makes what init
// says (SQL, one statement a line, run before the first connection), and
// nothing else is there: Restart loses all.
//
// As root it runs as the user mysql. Its data folder is made once (0.5 to
// 4 s) and copied (34 MB) as long as the first server is there.
func MariaDB(ctx context.Context, opts Options, init ...string) (*Server, error) {
	as, err := mysqlUser()
	if err != nil {
		return nil, err
	}
	return startMariaDB(ctx, product{
		name:    "mariadbd",
		install: mariadbInstall,
		ports:   lowPorts,
		as:      as,
		args: func(port int, dir string) []string {
			return append(mariadbArgs(port, dir), "--init-file="+filepath.Join(dir, "init.sql"))
		},
		restart: 1100 * time.Millisecond,
		prepare: func(_ int, dir string) error { return freshData(ctx, dir, as, init) },
		up:      mariadbUp("ready for connections"),
	}, opts)
}

// MariaDBSocket is the Unix socket of a MariaDB server or Galera node.
func (s *Server) MariaDBSocket() string { return filepath.Join(s.dir, "s.sock") }

func startMariaDB(ctx context.Context, pr product, opts Options) (*Server, error) {
	for _, name := range []string{"mariadbd", "mariadb-install-db"} {
		if _, err := exec.LookPath(name); err != nil {
			return nil, fmt.Errorf("localserver: %s is not installed: %s", name, mariadbInstall)
		}
	}
	if opts.Ready <= 0 {
		opts.Ready = 3 * time.Minute // seen: 0.4 s alone, 4 s for a node that joins; a minute where 30 processes wait for two cores
	}
	pr.forget = forgetTemplate
	return start(ctx, pr, opts)
}

// mysqlUser is whom the server runs as: it refuses to run as root, and a node
// that root started cannot take a copy of another's data.
func mysqlUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("mysql")
	if err != nil {
		return nil, fmt.Errorf("localserver: no user mysql: %s", mariadbInstall)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("localserver: user mysql: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func mariadbArgs(port int, dir string) []string {
	return []string{"--no-defaults", "--datadir=" + filepath.Join(dir, "data"), "--socket=" + filepath.Join(dir, "s.sock"),
		"--tmpdir=" + filepath.Join(dir, "tmp"), "--pid-file=" + filepath.Join(dir, "pid"), "--port=" + strconv.Itoa(port), "--bind-address=127.0.0.1",
		"--innodb-buffer-pool-size=64M", "--max-connections=600", // a fleet's: see mysql.Preflight
		"--innodb-log-file-size=16M", "--innodb-flush-log-at-trx-commit=0"}
}

// mariadbUp waits for the words in the server's log, and for its own port in it.
func mariadbUp(words ...string) func(*Process, string) bool {
	return func(p *Process, addr string) bool {
		out := p.Output()
		for _, w := range append(words, "port: "+addr[strings.LastIndexByte(addr, ':')+1:]) {
			if !strings.Contains(out, w) {
				return false
			}
		}
		return true
	}
}

// template is the data folder that is copied. It lies in the folder of the
// server that was the first to need one. dir is guarded by mu.
var template struct {
	mu  sync.Mutex
	dir string
}

// forgetTemplate is for the server in whose folder the template lies: the next
// one makes another.
func forgetTemplate(dir string) {
	template.mu.Lock()
	defer template.mu.Unlock()
	if filepath.Dir(template.dir) == dir {
		template.dir = ""
	}
}

// freshData puts a new data folder and init file into dir.
func freshData(ctx context.Context, dir string, as *syscall.Credential, init []string) error {
	template.mu.Lock()
	defer template.mu.Unlock()
	data := filepath.Join(dir, "data")
	if err := os.RemoveAll(data); err != nil {
		return fmt.Errorf("localserver: %w", err)
	}
	// A folder of its own: a server that starts removes what it takes for an
	// earlier server's temporary tables.
	tmp := filepath.Join(dir, "tmp")
	if err := errors.Join(os.MkdirAll(tmp, 0o777), os.Chmod(tmp, 0o777)); err != nil {
		return fmt.Errorf("localserver: %w", err)
	}
	sql := filepath.Join(dir, "init.sql")
	if err := os.WriteFile(sql, []byte(strings.Join(init, ";\n")+";\n"), 0o644); err != nil {
		return fmt.Errorf("localserver: %w", err)
	}
	if template.dir != "" {
		if out, err := exec.CommandContext(ctx, "cp", "-a", template.dir, data).CombinedOutput(); err != nil {
			return fmt.Errorf("localserver: copy a data folder: %w: %s", err, out)
		}
		return nil
	}
	args := []string{"--no-defaults", "--datadir=" + data, "--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=16M"}
	if as != nil {
		args = append(args, "--user=mysql")
	}
	install := exec.CommandContext(ctx, "mariadb-install-db", args...)
	install.Env = append(install.Environ(), "TMPDIR="+tmp)
	if out, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("localserver: mariadb-install-db: %w: %s", err, out)
	}
	// The pristine copy lies beside the first server's data and goes with it.
	template.dir = filepath.Join(dir, "pristine")
	if out, err := exec.CommandContext(ctx, "cp", "-a", data, template.dir).CombinedOutput(); err != nil {
		template.dir = ""
		return fmt.Errorf("localserver: copy a data folder: %w: %s", err, out)
	}
	return nil
}
