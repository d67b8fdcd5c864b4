package sdk

import (
	"context"
	"encoding/json"

	"github.com/stagehouse/stagehouse/schema"
)

// Extension is what an author implements. It may implement [Validator], [Requirer], [Teller], [Mover], [Drainer],
// [HealthChecker], [Reloader], [Measurer], [Commander] and [Schemer] too.
//
// The sdk calls, in this order: the strict decoding of the configuration into the struct, Validate, Start, then Health
// again and again while it serves, and Reload whenever its configuration has become another one, then Tell and Move, if another generation takes its place, then Drain. Start is called once. A
// panic in any of them is contained and reported.
type Extension interface {
	// Start begins to serve and returns. ctx bounds the starting only; what goes on afterwards belongs to Host.Serve and
	// Host.Go, or uses Host.Context. An error, or a panic, means that the extension does not start.
	Start(ctx context.Context, h *Host) error
}

// Validator is implemented by an extension that checks more of its configuration than its JSON Schema can say. Validate
// is called on the decoded struct, of which nothing has been started. The pointers of the problems are relative to the
// extension's block. A problem of severity error keeps the extension from starting; a warning is logged.
type Validator interface {
	Validate() []schema.Problem
}

// Requirer is implemented by an extension that cannot do without a service only because of what its configuration says.
// Requires is called on a struct that Validate has found sound, when the host checks a configuration, and returns names that
// come on top of Definition.Requires. It is for a better message before anything is started: Start still looks.
type Requirer interface {
	Requires() []string
}

// Drainer is implemented by an extension that has more to finish than what Host.Serve and Host.Go know of. Drain is
// called once, first, and returns when the work is finished or ctx is done. While it runs the servers of Host.Serve still
// accept and the contexts of Host.Go still hold, so that Drain can turn a readiness check round or take the extension out
// of a registry before anybody is turned away. They end when Drain returns; or after half of the time, for a Drain that
// needs more, which then goes on beside them until ctx is done. An error or a panic does not keep the rest from being
// drained, and is reported to the host.
type Drainer interface {
	Drain(ctx context.Context) error
}

// Mover is implemented by an extension that keeps connections beyond the requests that made them, such as WebSockets (see
// package handover). While the extension is replaced, Move hands them over to the generation after, as far as it can, and may
// have the clients of the others come again: it is called before Drain, once at once and once again when no server has a
// connection in use any more, and returns when all that can move have moved, or ctx is done. A connection that is still here then is for Drain to end.
type Mover interface {
	Move(ctx context.Context)
}

// Teller is implemented by an extension that has in memory what the generation after should know. While the extension is
// replaced, Tell is called once, before Move and before any connection moves, and returns it; the other side gets it from
// Host.Told. It may be a generation of another version, so the format should have one too. From then on requests are served
// by both generations for a while: what must be decided in one place, the old one asks the new one (Host.Ask).
type Teller interface {
	Tell() []byte
}

// HealthChecker is implemented by an extension that knows better than the sdk whether it is well. Health is called every
// few seconds, one call at a time, with a deadline. An error several times in a row makes the host restart the extension:
// what Health looks at may recover. What Host.Go and Host.Serve run does not, and one failure of that is enough.
type HealthChecker interface {
	Health(ctx context.Context) error
}

// Measurer is implemented by an extension that counts things which an operator wants to see: "stagehouse ext describe" shows them.
// Metrics is called every few seconds, after a good Health, one call at a time, and returns at once. Names have a-z, 0-9 and _, a
// letter first, and say their unit; one that ends in _total only grows and begins at 0 with each process. What no name or no number is
// is left out, and so is what comes after the first schema.MaxMetrics names.
type Measurer interface {
	Metrics() map[string]float64
}

// Schemer is implemented by an extension that writes the JSON Schema (2020-12) of its block itself. Without it the sdk
// derives one from the struct; see [ConfigSchema].
type Schemer interface {
	ConfigSchema() json.RawMessage
}
