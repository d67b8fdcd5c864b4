package plugin

import (
	"log/slog"
	"time"
)

// Option changes how a Manager works.
type Option func(*Manager)

// WithLogger sends the manager's own log and that of the extensions to l. Default: nowhere.
func WithLogger(l *slog.Logger) Option { return func(m *Manager) { m.log = l } }

// WithRunDir puts the private directories of the processes below dir, which is made if need be. No other manager may use
// dir at the same time, because the first Start removes the private directories that it finds there: they are of a host
// that was killed. Default: a temporary directory of the manager's own, which nobody finds again after a kill.
func WithRunDir(dir string) Option { return func(m *Manager) { m.runDir = dir } }

// WithStateDir gives every extension a directory of its own below dir, named after it, for what it keeps beyond its process.
// The manager makes it (mode 0700) and never removes anything. All generations of an extension have the same one. Default:
// they have none.
func WithStateDir(dir string) Option { return func(m *Manager) { m.stateDir = dir } }

// WithHostVersion tells the extensions the version of the host.
func WithHostVersion(v string) Option { return func(m *Manager) { m.version = v } }

// InTurn replaces extensions as it has to be done where generations cannot share listeners (see Manager.Reload), on every
// system: for programs that cannot listen twice.
func InTurn() Option { return func(m *Manager) { m.overlap = false } }

// WithSupervision replaces DefaultSupervision.
func WithSupervision(s Supervision) Option { return func(m *Manager) { m.supervision = s } }

// WithObserver has f told of every Change, in the order in which they happen to an extension. f is called by the goroutines
// that watch over the extensions: it must not wait for anything, nor call the manager. Default: nobody is told.
func WithObserver(f func(Change)) Option { return func(m *Manager) { m.observe = f } }

// Supervision says how the manager watches over running extensions.
type Supervision struct {
	HealthInterval time.Duration // between two questions
	HealthTimeout  time.Duration // for the answer
	UnhealthyAfter int           // bad answers, or none, in a row until the process is killed and started anew; one is enough if it says that it is for good

	// A process that died is started anew after a pause that grows from RestartMin to RestartMax, with some chance in it,
	// and begins small again after the extension was well for StableAfter.
	RestartMin  time.Duration
	RestartMax  time.Duration
	StableAfter time.Duration

	// BreakAfter is how many times in a row the process may die or fail to start, without having been well for StableAfter,
	// until the extension counts as broken: then its listeners are let go, and it is started anew only by a reload. 0 = never.
	BreakAfter int

	KillTimeout time.Duration // for a process that was asked to go, until its process group is killed
}

// DefaultSupervision returns what is used without WithSupervision.
func DefaultSupervision() Supervision {
	return Supervision{
		HealthInterval: 2 * time.Second,
		HealthTimeout:  2 * time.Second,
		UnhealthyAfter: 3,
		RestartMin:     100 * time.Millisecond,
		RestartMax:     30 * time.Second,
		StableAfter:    30 * time.Second,
		BreakAfter:     10,
		KillTimeout:    3 * time.Second,
	}
}
