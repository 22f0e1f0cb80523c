package systemd

import (
	"os/exec"
	"syscall"
)

// start starts a child that is told to stop when this process is killed: else it
// would hold the sockets that the next one needs.
func start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	return cmd.Start()
}
