package crossfade_test

import (
	"strings"
	"testing"
	"testing/fstest"
)

// TestHouseRules plants one violation after the other in a small house, and
// looks for it in what the rules say: a rule that cannot fail holds nothing.
func TestHouseRules(t *testing.T) {
	good := map[string]string{
		"backends/store.go":       "// Package backends holds stores.\npackage backends\n\nimport \"context\"\n",
		"backends/redis/redis.go": "// Package redis is a store.\npackage redis\n\nimport (\n\t\"github.com/redis/go-redis/v9\"\n\t\"" + module + "/backends\"\n)\n",
		"darklaunch/layer.go":     "// Package darklaunch is the layer.\npackage darklaunch\n\nimport \"" + module + "/backends\"\n",
		"darklaunch/flags/f.go":   "// Package flags is the flag.\npackage flags\n\nimport \"github.com/open-feature/go-sdk/openfeature\"\n",
		"cmd/crossfade/main.go":   "// Crossfade is one binary.\npackage main\n\nimport _ \"" + module + "/darklaunch\"\n",
		"README.md":               "state in /var/lib/crossfade, socket /run/crossfade/redis.sock, see https://example.org/home/page and a/work/b\n",
	}
	tests := []struct {
		name, file, text string
		want             string // "": nothing may be found
	}{
		{"as it should be", "", "", ""},
		{"a store that knows the layer", "backends/redis/up.go", "package redis\n\nimport _ \"" + module + "/darklaunch\"\n", "backends/redis/up.go imports " + module + "/darklaunch: imports go cmd"},
		{"the same in a test", "backends/redis/up_test.go", "package redis\n\nimport _ \"" + module + "/darklaunch/flags\"\n", "backends/redis/up_test.go"},
		{"a layer that knows the command", "darklaunch/up.go", "package darklaunch\n\nimport _ \"" + module + "/cmd/crossfade/config\"\n", "imports go cmd"},
		{"a floor that knows itself", "migrate/m.go", "// Package migrate moves.\npackage migrate\n\nimport _ \"" + module + "/dashboard\"\n", "do not know each other"},
		{"redis in the layer", "darklaunch/r.go", "package darklaunch\n\nimport _ \"github.com/redis/go-redis/v9\"\n", "only backends/ may"},
		{"memcached in the command", "cmd/crossfade/r.go", "package main\n\nimport _ \"github.com/bradfitz/gomemcache/memcache\"\n", "only backends/ may"},
		{"mysql in a frontend", "frontends/r.go", "// Package frontends speaks.\npackage frontends\n\nimport _ \"github.com/go-sql-driver/mysql\"\n", "only backends/ may"},
		{"redis in a frontend", "frontends/redis/r.go", "// Package redis speaks.\npackage redis\n\nimport _ \"github.com/redis/go-redis/v9\"\n", "only backends/ may"},
		{"the same in its test", "frontends/redis/r_test.go", "package redis\n\nimport _ \"github.com/redis/go-redis/v9\"\n", ""},
		{"the same among the clients", "cmd/crossfade/clientstest/r_test.go", "package clientstest\n\nimport _ \"github.com/redis/go-redis/v9\"\n", ""},
		{"redis in another test of the command", "cmd/crossfade/cli/r_test.go", "package cli\n\nimport _ \"github.com/redis/go-redis/v9\"\n", "only backends/ may"},
		{"redis in a test of the layer", "darklaunch/r_test.go", "package darklaunch\n\nimport _ \"github.com/redis/go-redis/v9\"\n", "only backends/ may"},
		{"flags beside flags", "darklaunch/flagship/r.go", "// Package flagship sails.\npackage flagship\n\nimport _ \"github.com/open-feature/go-sdk/openfeature\"\n", "only darklaunch/flags may"},
		{"a client at the root of backends", "backends/r.go", "package backends\n\nimport _ \"github.com/redis/go-redis/v9\"\n", "standard library alone"},
		{"the command with its own tests", "cmd/crossfade/cli/x.go", "package cli\n\nimport _ \"" + module + "/cmd/crossfade/binarytest\"\n", "only tests may"},
		{"no package comment", "migrate/m.go", "package migrate\n", "migrate: no package comment"},
		{"a comment about something else", "migrate/m.go", "// Copyright somebody.\npackage migrate\n", "migrate: no package comment"},
		{"a folder of tests alone", "frontends/x_test.go", "package frontends\n", ""},
		{"package util", "darklaunch/util/u.go", "// Package util helps.\npackage util\n", "darklaunch/util: a package is named for"},
		{"package common under another name", "darklaunch/shared/u.go", "// Package common helps.\npackage common\n", "not common"},
		{"somebody's home", "darklaunch/p.go", "package darklaunch\n\nconst p = \"/home/" + "someone/sessions\"\n", "darklaunch/p.go:3: /home/"},
		{"the root user's home", "docs/x.md", "run `/root/" + "go/bin/x`\n", "docs/x.md:1: /root/"},
		{"a Mac", "docs/x.md", "in (/Users/" + "me/x)\n", "docs/x.md:1"},
		{"a checkout", "docs/x.yaml", "dir: /private/" + "tree\n", "docs/x.yaml:1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fsys := fstest.MapFS{}
			for name, text := range good {
				fsys[name] = &fstest.MapFile{Data: []byte(text)}
			}
			if tt.file != "" {
				fsys[tt.file] = &fstest.MapFile{Data: []byte(tt.text)}
			}
			h, err := load(fsys)
			if err != nil {
				t.Fatal(err)
			}
			var found []string
			for _, rule := range []func() []string{h.arrows, h.comments, h.names, h.paths} {
				found = append(found, rule()...)
			}
			all := strings.Join(found, "\n")
			if tt.want == "" && all != "" || !strings.Contains(all, tt.want) {
				t.Errorf("found %q, want %q", all, tt.want)
			}
		})
	}
}
