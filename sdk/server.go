package sdk

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stagehouse/stagehouse/plugin/protocol"
	"github.com/stagehouse/stagehouse/plugin/tether"
	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// Environment is what surrounds a Server.
type Environment struct {
	// Services connects to the host's services of those names. It is called once, when the host introduces itself to an
	// extension.
	Services func(brokerID uint32, names []string) (schema.Services, error)
	// HostServices connects to what the host offers to a runtime, in the same way. Nil = it offers nothing.
	HostServices func(brokerID uint32, names []string) (schema.HostServices, error)
	// Listen is what Host.Listen does. Nil = bind in this process.
	Listen func(ctx context.Context, network, address string) (net.Listener, error)
	// Others are the generations before and after this one. Nil = there are none.
	Others Generations
	// Log is the extension's log, Level what the host sets when it introduces itself. Nil = no log.
	Log   *slog.Logger
	Level *slog.LevelVar
}

// Generations is what a process knows of the generations of its extension beside it; a tether.Line has it.
type Generations interface {
	Serving() <-chan struct{}
	Predecessor() *net.UnixConn
	Successor(ctx context.Context) *net.UnixConn
	Left()
}

// Server is the extension's side of the boundary: the life of one extension as a state machine that answers to the
// host's calls. Authors call [Main]; Server is for harnesses such as package sdktest.
type Server struct {
	def Definition
	env Environment

	end context.CancelFunc // of the lifetime

	reloading sync.Mutex // held during a Reload

	mu    sync.Mutex
	state state
	life  *lifetime
	ext   Extension
	host  *Host
	aids  schema.HostServices // of a runtime
	block []byte              // of the configuration
	stage *stage              // nil = it is no runtime

	commands []Command
	brain    *Brain // nil = it has none

	drainOnce sync.Once
	drained   chan struct{}
	cut       int   // read after drained
	drainErr  error // read after drained
}

type state string

const (
	created     state = "created"
	introduced  state = "introduced"
	configured  state = "configured"
	starting    state = "starting"
	started     state = "started"
	startFailed state = "failed to start"
	draining    state = "draining"
)

// NewServer returns the server of a new instance of d.
func NewServer(d Definition, env Environment) (*Server, error) {
	if err := d.validate(); err != nil {
		return nil, err
	}
	if env.Listen == nil {
		env.Listen = func(ctx context.Context, network, address string) (net.Listener, error) {
			return tether.Bind(ctx, d.Name, network, address)
		}
	}
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	if env.Level == nil {
		env.Level = new(slog.LevelVar)
	}
	ctx, end := context.WithCancel(context.Background())
	s := &Server{
		def: d, env: env, end: end, state: created, drained: make(chan struct{}),
		life: newLifetime(ctx, env.Log, env.Listen, env.Others),
	}
	if d.offers != nil {
		s.stage = &stage{server: s}
	}
	return s, nil
}

// Register serves the extension's calls on r.
func (s *Server) Register(r grpc.ServiceRegistrar) {
	pb.RegisterExtensionServer(r, &rpc{s: s})
	if s.stage != nil {
		s.stage.register(r)
	}
	pb.RegisterCommandsServer(r, commandRPC{s: s})
	pb.RegisterBrainsServer(r, brainRPC{s: s})
}

// Drain does what the host's call of that name does: it calls the extension's own Drain, stops accepting, finishes what is
// in flight until ctx is done, and returns how much was cut off then. The error is that of the extension's own Drain, if it
// had the time. Only the first call drains; the others wait for it.
func (s *Server) Drain(ctx context.Context) (int, error) {
	s.drainOnce.Do(func() {
		s.mu.Lock()
		var own ownDrain
		if s.state == started {
			own = ownDrainOf(s.ext)
		}
		s.state = draining
		s.mu.Unlock()
		go func() {
			defer close(s.drained)
			s.cut, s.drainErr = s.life.finish(ctx, own)
		}()
	})
	<-s.drained
	return s.cut, s.drainErr
}

// ownDrain is what an extension does of a drain itself. All may be nil.
type ownDrain struct {
	tell  func() []byte
	move  func(context.Context)
	drain func(context.Context) error
}

func ownDrainOf(ext Extension) (own ownDrain) {
	if t, ok := ext.(Teller); ok {
		own.tell = t.Tell
	}
	if m, ok := ext.(Mover); ok {
		own.move = m.Move
	}
	if d, ok := ext.(Drainer); ok {
		own.drain = d.Drain
	}
	return own
}

// Close cuts everything off that is still running.
func (s *Server) Close() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _ = s.Drain(ctx) // nobody has time for what it did not finish
	s.end()
}

// move goes from one state to the next, or says that the call came out of order.
func (s *Server) move(call string, from, to state) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != from {
		return status.Errorf(codes.FailedPrecondition, "%s was called while the extension is %s, and not %s", call, s.state, from)
	}
	s.state = to
	return nil
}

// hasDrained reports whether a drain has come to its end.
func (s *Server) hasDrained() bool {
	select {
	case <-s.drained:
		return true
	default:
		return false
	}
}

// leaving reports whether the extension is finishing what is in flight, on its own account, such as after a signal. It is
// well as long as it does, and the host must not take it for hung.
func (s *Server) leaving() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == draining && !s.hasDrained()
}

// rpc adapts a Server to the generated service, which stays out of its method set.
type rpc struct {
	pb.UnimplementedExtensionServer
	s *Server
}

func (r *rpc) Init(_ context.Context, in *pb.InitRequest) (*pb.InitResponse, error) {
	s := r.s
	if err := s.move("Init", created, introduced); err != nil {
		return nil, err
	}
	s.env.Level.Set(levelNamed(in.GetLogLevel()))
	services, aids, err := s.connect(in)
	if err != nil {
		return nil, wire.ToStatus(err)
	}
	s.mu.Lock()
	s.aids = aids
	s.host = &Host{
		Services: services, Name: in.GetExtension(), Generation: in.GetGeneration(),
		Log: s.env.Log, State: State{dir: in.GetStateDir()}, life: s.life,
	}
	s.mu.Unlock()
	specs, brain, err := s.def.abilities(s.env.Log)
	if err != nil {
		return nil, wire.ToStatus(err)
	}
	out := &pb.InitResponse{Name: s.def.Name, Version: s.def.Version, Requires: s.def.Requires, Offers: s.def.offers}
	for _, c := range specs {
		out.Commands = append(out.Commands, wire.ToCommand(c))
	}
	if brain != nil {
		out.Brain = wire.ToBrainInfo(*brain)
	}
	return out, nil
}

// connect connects to what the host offers: to an extension, or to a runtime.
func (s *Server) connect(in *pb.InitRequest) (services schema.Services, aids schema.HostServices, err error) {
	switch {
	case s.stage == nil:
		services, err = s.env.Services(in.GetBrokerId(), in.GetServices())
	case s.env.HostServices != nil:
		aids, err = s.env.HostServices(in.GetBrokerId(), in.GetServices())
	}
	return services, aids, err
}

func (r *rpc) Configure(_ context.Context, in *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	s := r.s
	if err := s.move("Configure", introduced, configured); err != nil {
		return nil, err
	}
	ext, problems := s.def.configure(s.env.Log, in.GetConfig())
	commands, err := commandsOf(s.env.Log, ext)
	var brain *Brain
	if err == nil {
		brain, err = brainOf(s.env.Log, ext)
	}
	if err != nil {
		ext, problems = nil, append(problems, wrong("", "%v", err))
	}
	s.mu.Lock()
	s.ext, s.block, s.commands, s.brain = ext, in.GetConfig(), commands, brain
	if x, ok := ext.(*inactive); ok {
		x.stage = s.stage
	}
	s.mu.Unlock()
	out := &pb.ConfigureResponse{Problems: toProblems(problems)}
	if ext == nil {
		s.mu.Lock()
		s.state = startFailed
		s.mu.Unlock()
	}
	return out, nil
}

func (r *rpc) Start(ctx context.Context, _ *pb.StartRequest) (*pb.StartResponse, error) {
	s := r.s
	if err := s.move("Start", configured, starting); err != nil {
		return nil, err
	}
	if err := contain(s.env.Log, "Start", func() error { return s.ext.Start(ctx, s.host) }); err != nil {
		_ = s.move("Start", starting, startFailed) // or it is being drained by now, which is as well
		return nil, wire.ToStatus(err)
	}
	if err := s.move("Start", starting, started); err != nil {
		return nil, err
	}
	return &pb.StartResponse{Listeners: s.life.addresses()}, nil
}

func (r *rpc) Health(ctx context.Context, _ *pb.HealthRequest) (*pb.HealthResponse, error) {
	s := r.s
	if !s.leaving() {
		if err := s.move("Health", started, started); err != nil {
			return nil, err
		}
	}
	if err := s.life.health(); err != nil {
		return nil, status.Error(protocol.StatusFailed, err.Error())
	}
	if c, ok := s.ext.(HealthChecker); ok {
		if err := contain(s.env.Log, "Health", func() error { return c.Health(ctx) }); err != nil {
			return nil, wire.ToStatus(err)
		}
	}
	return &pb.HealthResponse{Metrics: s.metrics()}, nil
}

// metrics returns what the extension counts. A panic is in the log, and does not make the extension unwell.
func (s *Server) metrics() map[string]float64 {
	m, ok := s.ext.(Measurer)
	if !ok {
		return nil
	}
	var counted map[string]float64
	_ = contain(s.env.Log, "Metrics", func() error { counted = m.Metrics(); return nil })
	return schema.SoundMetrics(counted)
}

// Drain finishes by the deadline of the request, whatever becomes of the call: a host that stops waiting has not
// changed its mind.
func (r *rpc) Drain(_ context.Context, in *pb.DrainRequest) (*pb.DrainResponse, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(in.GetDeadlineMs())*time.Millisecond)
	defer cancel()
	r.s.life.final.Store(in.GetFinal())
	r.s.life.replaced.Store(!in.GetFinal())
	unfinished, err := r.s.Drain(ctx)
	if err != nil {
		return nil, wire.ToStatus(fmt.Errorf("%w (%d requests or goroutines were cut off)", err, unfinished))
	}
	return &pb.DrainResponse{Unfinished: int32(min(unfinished, 1<<31-1))}, nil
}
