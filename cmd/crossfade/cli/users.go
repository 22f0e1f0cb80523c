package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/migrate/access"
)

func usersVerb(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "users",
		Short: "Who may use the console and the API of the server, on the server's host",
		Long: `Who may use the console and the API of crossfade server: edits the file that
server.users_file names, on the server's host. A server that runs reads it again
within a second. A viewer looks; an operator moves the ramp, copies, repairs,
pins and holds; an admin also forgets agents, declares a store down, recovers it
and completes. A password is asked for on the terminal, or read from standard
input, never an argument.`,
		Example: `  crossfade users add ada --role operator
  crossfade users token ada --name laptop
  crossfade users list`,
		Args: exactly(0, "add, remove, list, role, password or token"),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.usersAdd(), a.usersList(), a.usersRemove(), a.usersRole(), a.usersPassword(), a.usersToken())
	return cmd
}

// usersFile is where the people of this configuration are.
func (a *app) usersFile() (string, error) {
	c, err := config.Load(a.config)
	if err != nil {
		return "", usage(err)
	}
	if c.Server.UsersFile == "" {
		return "", usage(errors.New("server.users_file is empty: name the file of people in the server's configuration"))
	}
	return c.Server.UsersFile, nil
}

// editPerson changes one person of the file.
func (a *app) editPerson(name string, change func(*access.Person) error) error {
	path, err := a.usersFile()
	if err != nil {
		return err
	}
	return access.EditRoll(path, func(r *access.Roll) error {
		p := r.Find(name)
		if p == nil {
			return fmt.Errorf("users: nobody is called %q: see crossfade users list", name)
		}
		return change(p)
	})
}

func (a *app) usersAdd() *cobra.Command {
	var role string
	var tokens bool
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Add a person, and ask for the password", Args: exactly(1, "NAME"),
		Example: "  crossfade users add ada --role operator\n  crossfade users add ci --role operator --no-password",
		RunE: func(_ *cobra.Command, args []string) error {
			p := access.Person{Name: args[0]}
			var err error
			if p.Role, err = access.ParseRole(role); err != nil {
				return usage(fmt.Errorf("--role: %w", err))
			}
			path, err := a.usersFile()
			if err != nil {
				return err
			}
			// Before a password is asked for: would it do?
			if err := wouldAdd(path, p); err != nil {
				return err
			}
			if !tokens {
				if err := a.newPassword(&p); err != nil {
					return err
				}
			}
			if err := access.EditRoll(path, func(r *access.Roll) error { return r.Add(p) }); err != nil {
				return err
			}
			return a.told("%s is %s\n", p.Name, p.Role)
		},
	}
	cmd.Flags().StringVar(&role, "role", "", "viewer, operator or admin")
	cmd.Flags().BoolVar(&tokens, "no-password", false, "who has tokens alone, such as a job: cannot sign in")
	return cmd
}

func wouldAdd(path string, p access.Person) error {
	r, err := access.ReadRoll(path)
	if errors.Is(err, fs.ErrNotExist) {
		r, err = &access.Roll{}, nil
	}
	if err != nil {
		return err
	}
	return r.Add(p)
}

// userView is one person as they are listed, without what opens anything.
type userView struct {
	Name     string      `json:"name"`
	Role     string      `json:"role"`
	Password bool        `json:"password"` // signs in
	Tokens   []userToken `json:"tokens"`
}

type userToken struct {
	Name string    `json:"name"`
	Made time.Time `json:"made"`
}

// madeToken is a token, shown this once.
type madeToken struct {
	Name      string `json:"name"`
	TokenName string `json:"token_name"`
	Token     string `json:"token"`
}

func (a *app) usersList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Who there is", Args: exactly(0, ""),
		RunE: func(*cobra.Command, []string) error {
			path, err := a.usersFile()
			if err != nil {
				return err
			}
			r, err := access.ReadRoll(path)
			if err != nil {
				return err
			}
			out := []userView{}
			for _, p := range r.People {
				x := userView{p.Name, p.Role.String(), p.Password != "", []userToken{}}
				for _, t := range p.Tokens {
					x.Tokens = append(x.Tokens, userToken{t.Name, t.Made})
				}
				out = append(out, x)
			}
			if a.json {
				a.print(out)
				return nil
			}
			for _, p := range out {
				a.printf("%-24s %-9s %s\n", p.Name, p.Role, map[bool]string{true: "signs in", false: "has no password"}[p.Password])
				for _, t := range p.Tokens {
					a.printf("    token %-18s made %s\n", t.Name, t.Made.Local().Format(time.DateOnly))
				}
			}
			return nil
		},
	}
}

func (a *app) usersRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME", Short: "Take a person off: sign-ins and tokens end at once", Args: exactly(1, "NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			path, err := a.usersFile()
			if err != nil {
				return err
			}
			err = access.EditRoll(path, func(r *access.Roll) error {
				if !r.Remove(args[0]) {
					return fmt.Errorf("users: nobody is called %q: see crossfade users list", args[0])
				}
				return nil
			})
			if err != nil {
				return err
			}
			return a.told("%s is gone\n", args[0])
		},
	}
}

func (a *app) usersRole() *cobra.Command {
	return &cobra.Command{
		Use: "role NAME ROLE", Short: "Give a person another role: viewer, operator or admin", Args: exactly(2, "NAME ROLE"),
		RunE: func(_ *cobra.Command, args []string) error {
			role, err := access.ParseRole(args[1])
			if err != nil {
				return usage(err)
			}
			if err := a.editPerson(args[0], func(p *access.Person) error { p.Role = role; return nil }); err != nil {
				return err
			}
			return a.told("%s is %s\n", args[0], role)
		},
	}
}

func (a *app) usersPassword() *cobra.Command {
	return &cobra.Command{
		Use: "password NAME", Short: "Ask for another password; sign-ins with the old one end", Args: exactly(1, "NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := a.editPerson(args[0], func(*access.Person) error { return nil }); err != nil {
				return err
			}
			var n access.Person // asked for while the file is free
			if err := a.newPassword(&n); err != nil {
				return err
			}
			if err := a.editPerson(args[0], func(p *access.Person) error { p.Password = n.Password; return nil }); err != nil {
				return err
			}
			return a.told("%s has another password\n", args[0])
		},
	}
}

func (a *app) usersToken() *cobra.Command {
	var name, revoke string
	cmd := &cobra.Command{
		Use:   "token NAME",
		Short: "Make a bearer token of a person's own, and show it this once",
		Long: `Make a bearer token of a person's own, and print it this once: its SHA-256 is all
that is kept. The person writes it into the file that server.token_file names in
the configuration on their own machine, mode 0600: commands then act in their
name, with their role. --revoke takes one away.`,
		Example: "  crossfade users token ada --name laptop > ada.token\n  crossfade users token ada --revoke laptop",
		Args:    exactly(1, "NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			if revoke != "" {
				err := a.editPerson(args[0], func(p *access.Person) error {
					if !p.RevokeToken(revoke) {
						return fmt.Errorf("users: %s has no token %q: see crossfade users list", p.Name, revoke)
					}
					return nil
				})
				if err != nil {
					return err
				}
				return a.told("the token %s of %s counts no more\n", revoke, args[0])
			}
			token := ""
			err := a.editPerson(args[0], func(p *access.Person) error {
				if p.HasToken(name) {
					return usage(fmt.Errorf("%s has a token %q: name it otherwise (--name), or take it away (--revoke)", p.Name, name))
				}
				token = p.NewToken(name, time.Now())
				return nil
			})
			if err != nil {
				return err
			}
			if a.json {
				a.print(madeToken{args[0], name, token})
				return nil
			}
			a.printf("%s\n", token)
			fmt.Fprintln(a.err, "it is shown this once: write it into the file that server.token_file names on their machine, mode 0600")
			return nil
		},
	}
	cmd.Flags().StringVar(&name, "name", "cli", "what to call it in the list")
	cmd.Flags().StringVar(&revoke, "revoke", "", "the token of this name counts no more")
	return cmd
}

// told prints what was done.
func (a *app) told(format string, args ...any) error {
	if a.json {
		a.print(done{true})
		return nil
	}
	a.printf(format, args...)
	return nil
}
