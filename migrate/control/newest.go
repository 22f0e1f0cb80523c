package control

// Newest is the newest flag set, as flagd's JSON; nil: none is published yet.
// It is not to be changed.
func (s *Server) Newest() []byte {
	data, _ := s.board.now()
	return data
}
