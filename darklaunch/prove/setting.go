package prove

// setting is what would hold a promise that was not held.
func (s Setup) setting(v *Verdict) string {
	switch {
	case s.Flags == TwoFlags:
		return "one flag for both (crossfade-stage in flags.file), moved by crossfade ramp"
	case s.Flags == Unacknowledged:
		return "flags.file with flags.agents: the admin address of every agent, so that each acknowledges a revision before the next (without it Crossfade itself goes no further than mirror)"
	case !s.Old.Marks && v.Faults > 0:
		return "old in a store that holds marks: memory, files, memcached, mysql, hybrid or redis as this version speaks them"
	case s.New.Evicts && !s.RefuseUnconfirmed && !s.Old.HostScoped: // there old stands in for all that new loses
		return "new in a store that throws nothing out (redis with maxmemory-policy noeviction), or read_new.unconfirmed: refuse"
	case s.New.Evicts:
		return "new in a store that throws nothing out: redis with maxmemory-policy noeviction"
	case s.Old.HostScoped:
		return "one old for all hosts, if stickiness cannot be kept until read-new is settled"
	}
	return "none that we know: this is a history that we want to hear of"
}
