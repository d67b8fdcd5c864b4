package plugin

// ChangeKind is what kind of thing happened to an extension.
type ChangeKind string

// The kinds of changes.
const (
	ChangeReloaded      ChangeKind = "reloaded"       // Generation runs in the place of Previous; 0 = none was running, Generation = it has taken another block
	ChangeCrashed       ChangeKind = "crashed"        // Generation died, hung, or did not start in the place of one that did; Cause says why
	ChangeBreakerOpened ChangeKind = "breaker opened" // it is not started any more until it is reloaded; Cause is of the last crash
	ChangeBreakerClosed ChangeKind = "breaker closed" // it was reloaded
)

// Change is something that happened to an extension by itself, or by Reload. Start, Stop and Close are no changes, because
// whoever calls them knows.
type Change struct {
	Kind       ChangeKind
	Extension  string
	Generation uint64
	Previous   uint64
	Cause      string
}

// tellReloaded tells that g runs now, in the place of before, if there was one, and whether the extension was broken.
func (e *extension) tellReloaded(g, before *generation, broken bool) {
	if broken {
		e.manager.observe(Change{Kind: ChangeBreakerClosed, Extension: e.name, Generation: g.number})
	}
	c := Change{Kind: ChangeReloaded, Extension: e.name, Generation: g.number}
	if before != nil {
		c.Previous = before.number
	}
	e.manager.observe(c)
}

func (e *extension) crashed(generation uint64, cause error) {
	e.manager.observe(Change{Kind: ChangeCrashed, Extension: e.name, Generation: generation, Cause: cause.Error()})
}

func (e *extension) isBroken() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now.State == StateBroken
}
