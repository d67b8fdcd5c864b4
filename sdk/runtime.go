package sdk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"github.com/stagehouse/stagehouse/schema"
)

// Runtime is where agents live, as a process of its own: what its author implements. It may implement [Validator],
// [HealthChecker], [Publisher] and [Schemer] too.
//
// While a runtime is replaced, the process of the next one is there already, with its configuration checked, before the one that
// serves is told to close. Only Open may therefore open what two processes cannot have at once, such as a database.
type Runtime interface {
	// Open opens what the runtime keeps and returns its services: exactly those of RuntimeDefinition.Offers. It is called once.
	// ctx bounds the opening only. The host has put authorisation and the bounds of the contract in front of the services.
	Open(ctx context.Context, h *RuntimeHost) (Services, error)
	// Close takes nothing new, finishes the turns that were accepted until ctx is done, cancels the rest, visibly, makes
	// everything durable and lets go of it: another process opens it next. It is called once, after Open. Until it returns,
	// calls that only read are made, and subscriptions go on; it ends them.
	Close(ctx context.Context) error
}

// Publisher is implemented by a runtime whose event log takes what the host has to tell: schema.EventReloaded and its like.
type Publisher interface {
	// Publish appends e to the log, durably, and gives it its place and its time. It is safe for concurrent use.
	Publish(ctx context.Context, e Event) error
}

// RuntimeHost is what a runtime sees of the host that runs it.
type RuntimeHost struct {
	// HostServices are what the host offers to the runtime: Commands, what extensions let its agents do, and Brains, what extensions
	// think with for them. They are there as long as the process. One that the host does not have is nil. Calls are made on
	// behalf of the Caller in their context, which is who speaks to the agent.
	HostServices

	Name       string       // under which the host knows the runtime in its log
	Generation uint64       // grows with every launch of the runtime
	Dir        string       // is there, and for what the runtime keeps: the same one for every generation
	Log        *slog.Logger // goes to the host's log
}

// RuntimeDefinition is what a runtime is, before it runs.
type RuntimeDefinition struct {
	Name    string // what the runtime is called, in logs and listings
	Version string // of the runtime, for people
	Summary string // one sentence, for people

	// Offers names the services (ServiceAgents, …) that the runtime has. Nil = agents, chat, memory and events; what else Open
	// returns is withheld then. Those that it does not have are nil for extensions, and absent from the API. A host that does not
	// know ServiceUsage, because it is of an earlier release, refuses a runtime that offers it.
	Offers []string

	usual bool // Offers are those that every host knows

	// New returns a pointer to a new struct. Its exported fields with their JSON names are the block "runtime" of the
	// configuration, without the host's own key "plugin", and the values it comes with are the defaults. It is called several
	// times and has no other effect.
	New func() Runtime
}

// ServeRuntime is the whole main function of a runtime: it serves d to the host that runs the program, and exits. See [Main] for
// what else the program does: "describe", "check", what becomes of its output, signals, and the end of the host.
func ServeRuntime(d RuntimeDefinition) {
	d = d.withDefaults()
	if err := d.validate(); err != nil {
		fmt.Fprintf(os.Stderr, "runtime %s: %v\n", d.Name, err)
		os.Exit(2)
	}
	os.Exit(run(d.extension()))
}

func (d RuntimeDefinition) withDefaults() RuntimeDefinition {
	if d.usual = d.Offers == nil; d.usual {
		d.Offers = []string{ServiceAgents, ServiceChat, ServiceMemory, ServiceEvents}
	}
	return d
}

// runtimeServices are the services that a runtime can have. Identity is the host's own.
func runtimeServices() []string {
	return slices.DeleteFunc(schema.ServiceNames(), func(s string) bool { return s == schema.ServiceIdentity })
}

func (d RuntimeDefinition) validate() error {
	switch {
	case d.Name == "":
		return errors.New("sdk.RuntimeDefinition has no Name")
	case d.New == nil:
		return fmt.Errorf("sdk.RuntimeDefinition of %s has no New", d.Name)
	case len(d.Offers) == 0:
		return fmt.Errorf("sdk.RuntimeDefinition of %s offers nothing", d.Name)
	}
	for _, s := range d.Offers {
		if !slices.Contains(runtimeServices(), s) {
			return fmt.Errorf("sdk.RuntimeDefinition of %s offers the service %q, which no runtime has; the names are %v", d.Name, s, runtimeServices())
		}
	}
	return nil
}

// extension returns the definition of the extension that the runtime is until the host activates it: it has the same life.
func (d RuntimeDefinition) extension() Definition {
	return Definition{
		Name: d.Name, Version: d.Version, Summary: d.Summary, offers: d.Offers, usual: d.usual,
		New: func() Extension { return &inactive{runtime: d.New()} },
	}
}

// inactive is a runtime that has been configured, as the sdk's own machinery of extensions sees it.
type inactive struct {
	runtime Runtime
	stage   *stage // nil until the process is configured
}

// Start does nothing: the runtime is opened when the host activates it.
func (*inactive) Start(context.Context, *Host) error { return nil }

// Drain closes the runtime, if it is open.
func (x *inactive) Drain(ctx context.Context) error { return x.stage.release(ctx) }

// Health asks the runtime, if it is open.
func (x *inactive) Health(ctx context.Context) error { return x.stage.health(ctx) }

// blockOf returns the struct that is the block of configuration of an extension, or of the runtime that it stands for.
func blockOf(ext Extension) any {
	if x, ok := ext.(*inactive); ok {
		return x.runtime
	}
	return ext
}
