package rules

// Rule names one rule of this package or of its hosts that a test build can
// switch off, to prove that the walk sees the history that then breaks. In a
// normal build none can be: dropped is constant false and compiles to nothing.
type Rule uint8

const (
	NoRule Rule = iota
	// Of the machine.
	ErrorIsMiss             // an error is never answered as missing
	ReadersLookAtMarks      // readers of new honour old's mark
	TombstoneFirst          // the mark is looked at before new's tombstone counts
	ReadersHonourTombstones // a tombstone in new ends the search
	DirtyInMemory           // dirty is told to every reader, by the mark, not kept in memory
	MarkersAreListed        // who marks is in the record that readers with a lease have seen empty
	LeasesRunOut            // ... and acknowledges after their leases have ended
	MarkMustStand           // no acknowledgement if the mark could not be written either
	EvictedIsNoAnswer       // a miss in a store that evicts is no evidence
	MirrorAfterAnswer       // in mirror new is written after the answer
	SourceFirst             // writes go in the direction in which copies run
	OldDecidesAdd           // up to read-new old decides an add
	AddAsksNew              // read-new asks new too, before the id counts as free
	EqualIsNotOurs          // an equal session in new is not taken for what the add wrote
	AddIsUndone             // an add that new refuses is taken back in old
	SetClearsTombstone      // a set clears the tombstone of the store it writes
	DeleteLeavesTombstone   // a delete leaves one, also where nothing was
	BackBuriesInOld         // in back also in old
	SealedNeedsOld          // sealed: no acknowledgement without old
	SealedNeedsNew          // sealed: no acknowledgement with a mark
	SealedDoesNotFallBack   // sealed: new's miss is the answer
	SealedLocksBoth         // sealed: both must grant
	LocksDoNotDegrade       // one fixed decider of locks
	BehindIsRecorded        // old-behind is recorded in new before the first acknowledgement
	NoFallbackWhileBehind   // and while the record stands old answers nothing
	TouchCopyIsGuarded      // the copy a touch makes goes by a token
	EditGoesByToken         // an edit is written by the token of what it was made of
	EditsSecondByToken      // ... in the other store too, by one that was taken before
	EditComparesStores      // read-new and sealed edit only what both stores hold alike, or what a mark tells
	SealedEditNeedsEqual    // sealed edits nothing that the stores hold differently
	FencedEditGoesOn        // fenced: an edit that a copy overtook in new is written there, not marked
	EditLooksAtConflicts    // read-new does not take new for behind where somebody else has written it
	OwnIsNotOthers          // ... nor its own change for somebody's who came after it
	TokenBeforeSource       // a copy reads the target's token first
	CopyCorrects            // backfill compares and corrects, not only adds
	RepairIsGuarded         // a repair swaps by the token
	RepairNeedsMark         // in read-new only what is marked is repaired from old
	LateUnmark              // the mark goes one read deadline after the swap
	LaggingIsNoSource       // what may be older is never copied over what the target holds
	HostHonoursTombstones   // host-scoped: a copy does not clear a tombstone for what another host may hold
	HostMissIsNoAnswer      // host-scoped: a miss on one host is no evidence
	HostDoesNotStandIn      // host-scoped: no fallback to old where new fails
	HostNeedsNew            // host-scoped: read-new acknowledges nothing that new does not have
	HostLocksBoth           // host-scoped: read-new locks in new too
	// Of whoever runs the machine: agent, stores, orchestrator.
	AckWaitsForOperations // an acknowledgement waits for operations begun before it
	AckWaitsForQueue      // ... and for what was queued
	AckWaitsForCalls      // ... and for calls of unknown outcome
	AckWaitsForLocks      // ... and for locks granted before it
	LapseReleasesNothing  // an agent that went silent still counts
	StepsThroughSeal      // read-new to cutover goes through sealed
	BackThroughSeal       // cutover goes back through back and a reverse copy
	ReverseCopyFirst      // ... which must be done
	HostReverseFirst      // host-scoped: so must one before read-new goes back to fenced
	VerifyBeforeReadNew   // read-new needs a backfill since the fence
	DirtyBlocksReadNew    // ... and nothing dirty or marked
	DirtyBlocksCutover    // sealed to cutover needs nothing marked
	BehindBlocksSteps     // no step while old is behind
	RepairWaitsForOwnCall // a repair waits for this agent's unknown call
	RepairWaitsForQueue   // ... and for what this agent has queued for the session
	RepairLooksTwice      // and looks again when it looks at the marks that it will remove
	WritesAreSerial       // one write of a session at a time inside an agent
	TokensAreUnique       // a token is unique to a modification, not the bytes
	SwapTestsTombstone    // a copy tests the tombstone together with the write
	HostPurgesFirst       // host-scoped: a backfill begins with an empty new
	HostSettlesClean      // host-scoped: clients may come through any host once no mark stands
	HostTombstonesLast    // host-scoped: a tombstone outlives what other hosts hold
	TombstoneOutlives     // a tombstone outlives every copy and unknown call
	UndoByToken           // an add is taken back by its token
	UnlockByToken         // a lock is removed by its token
	UnlistedWhenClean     // an agent leaves the record of markers when it has no mark and puts none
	RecordListsAll        // the record is made with everybody in it, who leave it themselves
	MarkIsASet            // a mark has an entry for each agent, removed by its owner
	NoCopyWhileSealed     // no copy runs in sealed
	CrashMakesDirty       // an unclean end needs a new verification
	BarrierBeforeCopy     // the copier waits for copies begun before the last acknowledgement
	// Of a fleet.
	AbsenceSaysNothing // a store without the note says nothing
	UnlistedStops      // an agent that a higher note does not list stops
	TwoBehindStops     // ... and so does one that missed more than one revision
	StartReadsNotes    // an agent reads the notes before it serves
	NoteOfThisLife     // an agent that starts takes back what its last life acknowledged by note
	NotesOnlyRise      // a note is raised only
	NotesComeFirst     // ... and before the revision is published
	IntentIsRecorded   // ... and after the record holds it as what comes next
	TakeoverLooks      // a server that takes over goes on from what anybody may have seen
	ForgettingWaits    // a step waits until a forgotten agent must have stopped
	ForgetsInTwo       // forgetting publishes two revisions
	ForgetLocksRunOut  // ... and waits for the locks that it granted
	ForgetMakesDirty   // ... and what it had queued needs a new verification
	OvertakesNextTo    // a rollback overtakes only beside what an unfinished step left
	ruleCount
)
