// Crossfade moves live user sessions from one store to another without logging
// anyone out. This is its one binary.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/seed-41165957/crossfade/backends/redis"
	"github.com/seed-41165957/crossfade/cmd/crossfade/cli"
)

func main() {
	redis.Quiet()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
