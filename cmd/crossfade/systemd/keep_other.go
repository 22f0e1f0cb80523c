//go:build !linux

package systemd

import "os/exec"

func start(cmd *exec.Cmd) error { return cmd.Start() }
