package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// sqlName is a name that the store takes: a database, a table, a column.
var sqlName = regexp.MustCompile(`^[A-Za-z0-9_$-]{1,64}$`)

// expiries are the ways in which a column tells when a session ends.
var expiries = []string{"unix", "unix_ms", "datetime", "datetime_ms", "lifetime"}

func (k *checker) mysql(path string, m MySQL) {
	k.servers(path+".hosts", m.Hosts, true)
	k.sqlName(path+".database", m.Database, true)
	k.sqlName(path+".table", m.Table, true)
	k.sqlName(path+".own_table", m.OwnTable, true)
	if m.Table == m.OwnTable {
		k.bad(path+".own_table", "%q is the sessions table too: accepted is another name", m.OwnTable)
	}
	if m.User == "" {
		k.bad(path+".user", "is missing: accepted is the name of a database user")
	}
	if m.Writes != "layer" && m.Writes != "app" {
		k.bad(path+".writes", "%q: accepted are layer (Crossfade writes the table) and app (it only reads it)", m.Writes)
	}
	if m.SyncWait != "on" && m.SyncWait != "off" {
		k.bad(path+".sync_wait", "%q: accepted are on and off", m.SyncWait)
	}
	if (m.TLS.CertFile != "") != m.TLS.KeyFile.Set() {
		k.bad(path+".tls", "a client certificate needs its key: accepted are cert_file and key_file, or neither")
	}
	if m.Columns == (MySQLColumns{}) {
		if m.Preset != "plain" && m.Preset != "symfony" {
			k.bad(path+".preset", "%q: accepted are plain and symfony, or columns in its place", m.Preset)
		}
		return
	}
	c := m.Columns
	if m.Preset != "" {
		k.bad(path+".preset", "stands beside columns: accepted is one of the two")
	}
	k.sqlName(path+".columns.id", c.ID, true)
	k.sqlName(path+".columns.data", c.Data, true)
	k.sqlName(path+".columns.expires", c.Expires, true)
	k.sqlName(path+".columns.time", c.Time, c.Expiry == "lifetime")
	k.sqlName(path+".columns.flags", c.Flags, false)
	if !slices.Contains(expiries, c.Expiry) {
		k.bad(path+".columns.expiry", "%q: accepted are %s", c.Expiry, strings.Join(expiries, ", "))
	}
}

func (k *checker) sqlName(path, name string, needed bool) {
	if name == "" && !needed || sqlName.MatchString(name) {
		return
	}
	found := "is missing"
	if name != "" {
		found = fmt.Sprintf("%q", name)
	}
	k.bad(path, "%s: accepted are 1 to 64 of A-Z, a-z, 0-9, _, $ and -", found)
}
