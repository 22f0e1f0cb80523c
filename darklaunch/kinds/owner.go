package kinds

// Owner is who asks for a lock, or gives one back. What a lock holds in a
// store is a token that the layer makes from it, unique to each grant.
type Owner struct {
	// Client is the client's own token: the value of a `SET NX`, the argument
	// of an unlocking script, the value of an `add`. Empty where the client's
	// protocol says none when it unlocks (memcached's delete, Redis's DEL).
	Client string
	// Conn is the number of the client's connection. Numbers are not used
	// twice while a program runs.
	Conn uint64
}
