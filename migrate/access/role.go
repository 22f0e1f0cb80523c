package access

import "fmt"

// Role is what somebody may do; each includes those before it. The zero Role is
// that of a route which nobody has given one: it is refused to everybody.
type Role uint8

const (
	Unset    Role = iota
	Anybody       // health, signing in, and who asks without rights
	Viewer        // reads, and asks for dry runs
	Operator      // moves the ramp both ways, copies, verifies, repairs, pins, holds
	Admin         // also forgets agents, declares a store down, recovers it, completes
	Fleet         // who shows the fleet's own token, or asks on loopback where nobody signs in: all of it
)

var roleNames = [...]string{"", "", "viewer", "operator", "admin", "admin"}

// String is the role as people see it; empty: no rights.
func (r Role) String() string {
	if int(r) < len(roleNames) {
		return roleNames[r]
	}
	return fmt.Sprintf("role(%d)", uint8(r))
}

// ParseRole reads the role of a person.
func ParseRole(text string) (Role, error) {
	for r := Viewer; r <= Admin; r++ {
		if roleNames[r] == text {
			return r, nil
		}
	}
	return Unset, fmt.Errorf("role %q: accepted are viewer, operator and admin", text)
}

// MarshalText writes the role of a person.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is ParseRole.
func (r *Role) UnmarshalText(b []byte) (err error) {
	*r, err = ParseRole(string(b))
	return err
}

// May tells whether a role is enough where need is asked for.
func (r Role) May(need Role) bool { return need != Unset && (need == Anybody || r >= need) }
