package kinds

// Owner is who asks for a lock, or gives it back.
type Owner struct {
	// Client is the client's own token; empty where its protocol has none (a
	// memcached delete).
	Client string
	// Conn is the number of the connection: unique in the life of the agent.
	Conn uint64
}
