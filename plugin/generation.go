package plugin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/stagehouse/stagehouse/plugin/inflight"
	"github.com/stagehouse/stagehouse/plugin/process"
	"github.com/stagehouse/stagehouse/plugin/protocol"
	"github.com/stagehouse/stagehouse/plugin/tether"
	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// How long a failed call may be ahead of the news that the process is dead.
const (
	deathNotice  = 500 * time.Millisecond
	brokenNotice = 2 * time.Second // where the connection broke, which hardly anything else does
)

// drainGrace is what a drain may take beyond its deadline before its answer is not waited for any more.
const drainGrace = time.Second

// errLeaving is that of a call that a generation is not asked any more, as the generation itself would word it.
var errLeaving = wire.FromStatus(status.Error(protocol.StatusLeaving, "the extension leaves"))

// generation is one process of an extension, from its launch to its end.
type generation struct {
	number    uint64
	spec      Spec
	log       *slog.Logger
	proc      *process.Process
	client    pb.ExtensionClient
	commands  []schema.Command
	brain     *schema.BrainInfo                  // nil = it has none
	metrics   atomic.Pointer[map[string]float64] // of the last good health
	listeners []string                           // where it serves
	offers    []string                           // services, of a runtime
	since     time.Time                          // when it began to serve
	files     process.Files                      // when it was last looked at; of the supervisor, as is the gauge
	gauge     fileGauge
	calls     inflight.Calls // of its commands and its brain, until their answers are here
}

// launch takes a process through all phases until it is well. turn, if it is not nil, is called when all is done but what
// Start does, such as to listen. The error is a *StartError, or that of ctx.
func (m *Manager) launch(ctx context.Context, s Spec, number uint64, l *tether.Listeners, turn func()) (*generation, error) {
	bounded, cancel := context.WithTimeout(ctx, s.StartTimeout)
	defer cancel()
	g := &generation{number: number, spec: s, log: m.log.With("extension", s.Name, "generation", number)}
	phase, err := g.ready(bounded, m, l, turn)
	if err == nil {
		return g, nil
	}
	if g.proc != nil {
		err = g.blame(bounded, err)
		if kill := g.proc.Kill(0); kill != nil {
			g.log.Error("kill an extension that did not start", "error", kill.Error())
		}
	}
	if e := m.find(s.Name); e != nil {
		m.release(s.Name, e.commands())
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, failed(s, number, phase, err)
}

// ready goes through the phases and returns the one that failed.
func (g *generation) ready(ctx context.Context, m *Manager, l *tether.Listeners, turn func()) (Phase, error) {
	var err error
	if g.proc, err = process.Start(ctx, m.launcher, g.spec.process(g.number, m.runDir, l, g.log)); err != nil {
		return PhaseLaunch, err
	}
	g.client = pb.NewExtensionClient(g.proc.Conn())
	if err := g.init(ctx, m); err != nil {
		return PhaseInit, err
	}
	if err := g.configure(ctx); err != nil {
		return PhaseConfigure, err
	}
	if turn != nil {
		turn()
	}
	started, err := g.client.Start(ctx, &pb.StartRequest{})
	if err != nil {
		return PhaseStart, wire.FromStatus(err)
	}
	g.listeners = started.GetListeners()
	if err := g.health(ctx); err != nil {
		return PhaseHealth, err
	}
	return "", nil
}

// takeOver lets the generation accept connections, and has those of the one before come to it, if there is one.
func (g *generation) takeOver(before *generation) error {
	if before == nil {
		return g.proc.Begin(nil)
	}
	older, younger, err := tether.Bridge()
	if err != nil {
		before.log.Warn("connections cannot move to the next generation; clients come again", "error", err.Error())
	}
	if older != nil {
		defer func() { _, _ = older.Close(), younger.Close() }() // the processes have their own
	}
	if err := g.proc.Begin(younger); err != nil {
		return err
	}
	if err := before.proc.Leave(older); err != nil {
		before.log.Warn("the generation does not hear of its successor", "error", err.Error())
	}
	return nil
}

func (g *generation) init(ctx context.Context, m *Manager) error {
	offered, id, err := g.offer(m)
	if err != nil {
		return err
	}
	state, err := m.makeStateDir(g.spec.Name)
	if err != nil {
		return err
	}
	out, err := g.client.Init(ctx, &pb.InitRequest{
		Extension: g.spec.Name, Generation: g.number, BrokerId: id, Services: offered,
		HostVersion: m.version, LogLevel: process.LevelName(g.log), StateDir: state,
	})
	if err != nil {
		return wire.FromStatus(err)
	}
	g.offers = out.GetOffers()
	for _, name := range out.GetRequires() {
		if !slices.Contains(offered, name) {
			return &MissingError{Service: name, Offered: slices.Contains(m.services.Names(), name)}
		}
	}
	if err := g.takeBrain(out.GetBrain()); err != nil {
		return err
	}
	return g.takeCommands(m, out.GetCommands())
}

// offer serves to the process what it may use, and returns the names of that and the number of the connection.
func (g *generation) offer(m *Manager) (names []string, id uint32, err error) {
	if g.spec.Name == RuntimeName {
		id, err = g.proc.Offer(func(r grpc.ServiceRegistrar) { wire.RegisterHost(r, m.toRuntime, wire.WithLogger(g.log)) })
		return m.toRuntime.Names(), id, err
	}
	services := g.spec.granted(m.services)
	id, err = g.proc.Offer(func(r grpc.ServiceRegistrar) { wire.Register(r, services, g.spec.Name, wire.WithLogger(g.log)) })
	return services.Names(), id, err
}

func (g *generation) configure(ctx context.Context) error {
	out, err := g.client.Configure(ctx, &pb.ConfigureRequest{Config: g.spec.Config})
	if err != nil {
		return wire.FromStatus(err)
	}
	if wrong := g.wrong(out.GetProblems()); len(wrong) > 0 {
		return &ProblemsError{Problems: wrong}
	}
	return nil
}

// wrong returns those of the problems with a block that are errors.
func (g *generation) wrong(all []*pb.Problem) (wrong []schema.Problem) {
	for _, p := range all {
		if p.GetSeverity() == string(schema.SeverityWarning) {
			// Check has said it where it is heard; here it would be said again at every restart.
			g.log.Debug("the extension warns about its configuration",
				"at", p.GetPointer(), "problem", p.GetMessage(), "suggestion", p.GetSuggestion())
			continue
		}
		wrong = append(wrong, schema.Problem{
			Severity: schema.SeverityError, Pointer: p.GetPointer(), Message: p.GetMessage(), Suggestion: p.GetSuggestion(),
		})
	}
	return wrong
}

// errFailed is in the error of a health that cannot become good again, so that there is no point in asking once more.
var errFailed = errors.New("it does not recover from this")

func (g *generation) health(ctx context.Context) error {
	out, err := g.client.Health(ctx, &pb.HealthRequest{})
	if status.Code(err) == protocol.StatusFailed {
		return fmt.Errorf("%s: %w", status.Convert(err).Message(), errFailed)
	}
	if err == nil {
		counted := schema.SoundMetrics(out.GetMetrics())
		g.metrics.Store(&counted)
	}
	return wire.FromStatus(err)
}

// blame finds out what a failed call is a sign of: a process that is dead, or late. The other side's clock may run out a
// little before ours, and a broken connection be seen before the death that broke it.
func (g *generation) blame(ctx context.Context, err error) error {
	var e *schema.Error
	if !errors.As(err, &e) {
		return err
	}
	notice := deathNotice
	switch e.Code {
	case schema.CodeUnavailable:
		notice = brokenNotice
		fallthrough
	case schema.CodeCancelled, schema.CodeDeadlineExceeded, schema.CodeInternal:
		select {
		case <-g.proc.Done():
			return g.proc.Ended()
		case <-time.After(notice):
		}
		if ctx.Err() != nil {
			return &process.NotReadyError{After: g.spec.StartTimeout, Last: g.proc.LastWords()}
		}
	}
	return errors.New(e.Message)
}

// cause returns how the process ended, where a bad health was a sign of that, and otherwise bad.
func (g *generation) cause(bad error) error {
	var notice time.Duration
	if schema.CodeOf(bad) == schema.CodeUnavailable {
		notice = brokenNotice
	}
	select {
	case <-g.proc.Done():
		return g.proc.Ended()
	case <-time.After(notice):
		return bad
	}
}

// drain asks the process to finish within its time, and no longer than ctx. It is final where no other generation has taken
// its place. It reports whether the process has answered. Answers that it has sent by then are waited for: the end of the
// process would overtake them.
func (g *generation) drain(ctx context.Context, final bool) bool {
	g.calls.Close()
	bound := g.spec.DrainTimeout
	if deadline, ok := ctx.Deadline(); ok {
		bound = min(bound, time.Until(deadline))
	}
	if bound <= 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, bound+drainGrace)
	defer cancel()
	out, err := g.client.Drain(ctx, &pb.DrainRequest{DeadlineMs: bound.Milliseconds(), Final: final})
	switch {
	case err != nil:
		g.log.Warn("the extension did not finish draining; it is ended now", "error", wire.FromStatus(err).Error())
	case out.GetUnfinished() > 0:
		g.log.Warn("the extension could not finish everything before the deadline of its drain", "unfinished", out.GetUnfinished())
	}
	if err == nil {
		g.calls.Wait(ctx)
	}
	return err == nil
}
