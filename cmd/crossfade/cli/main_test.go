package cli

import (
	"context"
	"os"
	"testing"
)

// TestMain lets scripts call the command that is tested: see
// TestCompletionInShells.
func TestMain(m *testing.M) {
	if os.Getenv("CROSSFADE_TEST_CLI") != "" {
		os.Exit(Run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}
