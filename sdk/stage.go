package sdk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// cutTime is how long calls may take to end that are still there when their runtime is closed.
const cutTime = 500 * time.Millisecond

// stage is where a runtime acts: between Activate and Release it carries calls to it. The services are registered before
// anything is served, and the runtime comes later, and may be another one each time.
type stage struct {
	server *Server

	turn sync.Mutex // held by whoever opens or closes the runtime

	mu     sync.RWMutex
	acting *acting // nil = none is open
}

// acting is a runtime that is open.
type acting struct {
	runtime Runtime
	impls   implementations
	life    context.Context // of the calls
	end     context.CancelFunc
	calls   sync.WaitGroup
}

// implementations are what generated code calls, by the name of the service.
type implementations map[string]any

var _ grpc.ServiceRegistrar = implementations{}

func (m implementations) RegisterService(d *grpc.ServiceDesc, impl any) { m[d.ServiceName] = impl }

// register serves the runtime's calls on r.
func (st *stage) register(r grpc.ServiceRegistrar) {
	pb.RegisterRuntimeServer(r, &runtimeRPC{stage: st})
	for _, d := range []grpc.ServiceDesc{
		pb.Agents_ServiceDesc, pb.Chat_ServiceDesc, pb.Memory_ServiceDesc, pb.Events_ServiceDesc, pb.Usage_ServiceDesc,
	} {
		r.RegisterService(st.late(d), nil)
	}
}

// late returns a service whose calls go to the runtime that is open then.
func (st *stage) late(d grpc.ServiceDesc) *grpc.ServiceDesc {
	d.Methods, d.Streams = slices.Clone(d.Methods), slices.Clone(d.Streams)
	for i, m := range d.Methods {
		d.Methods[i].Handler = func(
			_ any, ctx context.Context, decode func(any) error, in grpc.UnaryServerInterceptor,
		) (any, error) {
			impl, ctx, leave, err := st.enter(ctx, d.ServiceName)
			if err != nil {
				return nil, err
			}
			defer leave()
			return m.Handler(impl, ctx, decode, in)
		}
	}
	for i, s := range d.Streams {
		d.Streams[i].Handler = func(_ any, out grpc.ServerStream) error {
			impl, ctx, leave, err := st.enter(out.Context(), d.ServiceName)
			if err != nil {
				return err
			}
			defer leave()
			return s.Handler(impl, bounded{out, ctx})
		}
	}
	return &d
}

// bounded is a stream that ends with its runtime.
type bounded struct {
	grpc.ServerStream
	ctx context.Context
}

func (b bounded) Context() context.Context { return b.ctx }

// enter returns who answers calls of a service, and a context that ends with its runtime. The caller calls leave.
func (st *stage) enter(ctx context.Context, service string) (impl any, inner context.Context, leave func(), err error) {
	st.mu.RLock()
	defer st.mu.RUnlock()
	a := st.acting
	if a == nil {
		return nil, nil, nil, status.Error(codes.Unavailable, "the runtime is not active")
	}
	if impl = a.impls[service]; impl == nil {
		return nil, nil, nil, status.Errorf(codes.Unimplemented, "the runtime does not offer %s", service)
	}
	a.calls.Add(1)
	inner, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(a.life, cancel)
	return impl, inner, func() { stop(); cancel(); a.calls.Done() }, nil
}

// activate opens a runtime.
func (st *stage) activate(ctx context.Context, dir string) error {
	st.turn.Lock()
	defer st.turn.Unlock()
	rt, host, err := st.cast(dir)
	if err != nil {
		return err
	}
	var services schema.Services
	open := func() (err error) { services, err = rt.Open(ctx, host); return err }
	if err := contain(host.Log, "Open", open); err != nil {
		return err
	}
	a := &acting{runtime: rt, impls: implementations{}}
	a.life, a.end = context.WithCancel(context.Background())
	if st.server.def.usual {
		services = services.Only(st.server.def.offers)
	}
	if offers := st.server.def.offers; !sameServices(services.Names(), offers) {
		a.end()
		err := fmt.Errorf("Open returned the services %v, and sdk.RuntimeDefinition.Offers are %v", services.Names(), offers)
		return errors.Join(err, contain(host.Log, "Close", func() error { return rt.Close(ctx) }))
	}
	wire.Register(a.impls, services, "", wire.WithLogger(host.Log), wire.FromHost())
	st.mu.Lock()
	st.acting = a
	st.mu.Unlock()
	return nil
}

// cast returns a new runtime to open, with the block of the configuration in it.
func (st *stage) cast(dir string) (Runtime, *RuntimeHost, error) {
	s := st.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != started || st.acting != nil {
		return nil, nil, status.Errorf(codes.FailedPrecondition, "Activate was called while the runtime is %s, or active", s.state)
	}
	ext, problems := s.def.configure(s.env.Log, s.block)
	x, ok := ext.(*inactive)
	if !ok {
		return nil, nil, fmt.Errorf("the configuration that was sound is not any more: %v", problems)
	}
	return x.runtime, &RuntimeHost{Name: s.host.Name, Generation: s.host.Generation, Dir: dir, Log: s.env.Log, HostServices: s.aids}, nil
}

// release closes the runtime that is open, if there is one, and ends the calls that it leaves.
func (st *stage) release(ctx context.Context) error {
	st.turn.Lock()
	defer st.turn.Unlock()
	st.mu.RLock()
	a := st.acting
	st.mu.RUnlock()
	if a == nil {
		return nil
	}
	err := contain(st.server.env.Log, "Close", func() error { return a.runtime.Close(ctx) })
	st.mu.Lock()
	st.acting = nil
	st.mu.Unlock()
	a.end()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.calls.Wait()
	}()
	select {
	case <-ended:
		return err
	case <-time.After(cutTime):
		return errors.Join(err, errors.New("calls of the runtime do not end although it is closed"))
	}
}

func (st *stage) health(ctx context.Context) error {
	st.mu.RLock()
	a := st.acting
	st.mu.RUnlock()
	if a != nil {
		if c, ok := a.runtime.(HealthChecker); ok {
			return c.Health(ctx)
		}
	}
	return nil
}

func sameServices(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, slices.Compact(b))
}

// runtimeRPC adapts a stage to the generated service.
type runtimeRPC struct {
	pb.UnimplementedRuntimeServer
	stage *stage
}

func (r *runtimeRPC) Activate(ctx context.Context, in *pb.ActivateRequest) (*pb.ActivateResponse, error) {
	if err := r.stage.activate(ctx, in.GetDirectory()); err != nil {
		return nil, wire.ToStatus(err)
	}
	return &pb.ActivateResponse{}, nil
}

// Release finishes by the deadline of the request, whatever becomes of the call: a host that stops waiting has not changed
// its mind.
func (r *runtimeRPC) Release(_ context.Context, in *pb.ReleaseRequest) (*pb.ReleaseResponse, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(in.GetDeadlineMs())*time.Millisecond)
	defer cancel()
	if err := r.stage.release(ctx); err != nil {
		return nil, wire.ToStatus(err)
	}
	return &pb.ReleaseResponse{}, nil
}

func (r *runtimeRPC) Publish(ctx context.Context, in *pb.PublishRequest) (*pb.PublishResponse, error) {
	r.stage.mu.RLock()
	a := r.stage.acting
	r.stage.mu.RUnlock()
	if a == nil {
		return nil, status.Error(codes.Unavailable, "the runtime is not active")
	}
	p, ok := a.runtime.(Publisher)
	if !ok {
		return nil, status.Error(codes.Unimplemented, "the runtime takes no events of the host")
	}
	e, err := wire.FromEvent(in.GetEvent())
	if err == nil {
		err = contain(r.stage.server.env.Log, "Publish", func() error { return p.Publish(ctx, e) })
	}
	if err != nil {
		return nil, wire.ToStatus(err)
	}
	return &pb.PublishResponse{}, nil
}
