package parts

import (
	"github.com/seed-41165957/crossfade/backends/mysql"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
)

// openMySQL makes the store on a table. The presets are the store's.
func openMySQL(m config.MySQL, migration string, t config.Timeouts) (*mysql.Store, error) {
	o := mysql.Options{
		Hosts: m.Hosts, Database: m.Database, User: m.User, Table: m.Table, OwnTable: m.OwnTable, Migration: migration,
		ReadOnly: m.Writes == "app", NoSyncWait: m.SyncWait == "off", DialTimeout: t.Dial.Std(),
		Columns: mysql.Columns{ID: m.Columns.ID, Data: m.Columns.Data, Expires: m.Columns.Expires, Kind: mysql.Expiry(m.Columns.Expiry),
			Time: m.Columns.Time, Flags: m.Columns.Flags, TimeZone: m.Columns.TimeZone},
	}
	switch m.Preset {
	case "symfony":
		o.Columns = mysql.Symfony()
	case "plain":
		o.Columns = mysql.Plain()
	}
	if m.PasswordFile.Set() {
		p, err := m.PasswordFile.Read()
		if err != nil {
			return nil, err
		}
		o.Password = mysql.Secret(p)
	}
	if m.TLS != (config.MySQLTLS{}) {
		o.TLS = &mysql.TLS{CAFile: m.TLS.CAFile, ServerName: m.TLS.ServerName, CertFile: m.TLS.CertFile, KeyFile: m.TLS.KeyFile.Path()}
	}
	return mysql.New(o)
}
