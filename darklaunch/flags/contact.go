package flags

import "time"

// Contact is when each channel was last found to say what is served; zero:
// never. File is also a URL. Status.LastContact is the newer of File and Server.
type Contact struct {
	File, Server, Store time.Time
}

// told notes what came of one Take. What is wrong with one channel is not
// hidden by another that works: it is this host's flag file that is broken.
func (s *Status) told(from Channel, err error) {
	at, lasting := &s.Contact.File, &s.failed[0]
	switch from {
	case FromServer:
		at, lasting = &s.Contact.Server, &s.failed[1]
	case FromStore:
		at, lasting = &s.Contact.Store, &s.failed[2]
	}
	if *lasting = err; err == nil {
		*at = time.Now()
	}
	// Not the store's: who looks whether an agent still gets its flags asks for
	// the way that was configured, and the stores are what is left without it.
	if s.LastContact = s.Contact.File; s.Contact.Server.After(s.LastContact) {
		s.LastContact = s.Contact.Server
	}
	s.LastError = nil
	for _, err := range s.failed {
		if err != nil && s.LastError == nil {
			s.LastError = err
		}
	}
}
