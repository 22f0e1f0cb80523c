package mysql

import "fmt"

// DDL is the statement that makes our own table (tried with MariaDB 10.11). It
// takes sessions of ours as large as the application's.
func (s *Store) DDL() string {
	return fmt.Sprintf(`CREATE TABLE %s (
  kind VARBINARY(1) NOT NULL,
  name VARBINARY(250) NOT NULL,
  member VARBINARY(%d) NOT NULL,
  data MEDIUMBLOB NOT NULL,
  flags INT UNSIGNED NOT NULL,
  expires_ms BIGINT NOT NULL,
  PRIMARY KEY (kind, name, member),
  KEY expires_ms (expires_ms)
) ENGINE=InnoDB;`, s.own(), maxMember)
}

// PlainDDL is the statement that makes a sessions table with the columns of
// Plain, for those who have none yet.
func (s *Store) PlainDDL() string {
	return fmt.Sprintf(`CREATE TABLE %s (
  id VARBINARY(250) NOT NULL PRIMARY KEY,
  data MEDIUMBLOB NOT NULL,
  flags INT UNSIGNED NOT NULL,
  expires_ms BIGINT NOT NULL
) ENGINE=InnoDB;`, s.app())
}

func (s *Store) app() string { return q(s.opts.Database) + "." + q(s.opts.Table) }

// Grants are the statements that give a user ('app'@'10.%', as the server
// writes it) what the store needs, and no more. With Options.ReadOnly it only
// reads the sessions table.
func (s *Store) Grants(user string) []string {
	app := "SELECT, INSERT, UPDATE, DELETE"
	if s.opts.ReadOnly {
		app = "SELECT"
	}
	return []string{
		fmt.Sprintf("GRANT %s ON %s TO %s;", app, s.app(), user),
		fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s;", s.own(), user),
	}
}
