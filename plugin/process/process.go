package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/stagehouse/stagehouse/plugin/attach"
	"github.com/stagehouse/stagehouse/plugin/protocol"
	"github.com/stagehouse/stagehouse/plugin/tether"
)

// Config says what to run.
type Config struct {
	Name       string // of the extension
	Generation uint64
	Path       string
	Args       []string
	Env        map[string]string // beside what is inherited
	SHA256     string            // of the program, in hexadecimal; "" = any. It implies Private.
	Private    bool              // run a copy, so that the original can be replaced
	Attach     string            // address of a process to use instead of running Path, of which only Name and Generation are known; "" = none
	RunDir     string            // where the private directories are
	Listeners  *tether.Listeners // what the tether hands out
	Log        *slog.Logger      // gets the process's log; its attributes say whose it is
}

// Process is an extension process that has shaken hands and can be called.
type Process struct {
	cmd    *command
	client *goplugin.Client
	link   *link
	dir    *directory
	log    *logger

	mu     sync.Mutex
	server *grpc.Server // what the process is offered
	offer  sync.WaitGroup

	killOnce sync.Once
	killed   chan struct{}
	killErr  error // read after killed
}

// deathWait is how long a process that has stopped talking may take to be seen dead.
const deathWait = time.Second

// killWait is how long a process whose group was killed may take to be gone.
const killWait = 5 * time.Second

// Start runs the process and returns when it can be called. Until then ctx bounds everything; afterwards the caller owns
// the process and calls Kill. Nothing is left behind by an error.
func Start(ctx context.Context, l *Launcher, cfg Config) (*Process, error) {
	dir, err := newDirectory(cfg.RunDir, cfg.Name, cfg.Generation)
	if err != nil {
		return nil, err
	}
	cmd, err := prepare(cfg, dir)
	if err != nil {
		return nil, errors.Join(err, dir.remove())
	}
	begun := time.Now()
	log := newLogger(cfg.Log)
	a := newAdapter(func(a *adapter) (*command, error) {
		ln, err := tie(cmd)
		if err != nil {
			return nil, err
		}
		c, err := launch(cfg.starter(ctx, l), cmd, ln, cfg.Listeners, log, a.handshake(log))
		if err != nil {
			return nil, errors.Join(err, ln.Close())
		}
		return c, nil
	})
	client, err := newClient(a, cmd, dir, log, cfg.Attach == "")
	if err != nil {
		return nil, errors.Join(err, dir.remove())
	}
	p := &Process{dir: dir, log: log, client: client, killed: make(chan struct{})}
	err = p.connect(ctx, a)
	p.cmd = a.command()
	if err != nil {
		err = p.diagnose(ctx, a, err, begun)
		return nil, errors.Join(err, p.Kill(0))
	}
	return p, nil
}

// starter returns what starts the command, or attaches to the process that is there.
func (cfg Config) starter(ctx context.Context, l *Launcher) starter {
	if cfg.Attach != "" {
		return func(cmd *exec.Cmd) (*attach.Guest, error) { return attachTo(ctx, l.host, cmd) }
	}
	return l.own
}

// prepare returns the command for a program, copied into dir where that is wanted.
func prepare(cfg Config, dir *directory) (*exec.Cmd, error) {
	if cfg.Attach != "" {
		return &exec.Cmd{Path: cfg.Attach}, nil
	}
	path := cfg.Path
	if cfg.Private || cfg.SHA256 != "" {
		var err error
		if path, err = dir.copyProgram(cfg.Path, cfg.SHA256); err != nil {
			return nil, err
		}
	}
	env, err := environment(cfg.Env)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, cfg.Args...)
	cmd.Env = env
	return cmd, nil
}

// connect goes as far as having a connection. When ctx is done first it kills the process, which ends every step.
func (p *Process) connect(ctx context.Context, a *adapter) error {
	var err error
	connected := make(chan struct{})
	go func() {
		defer close(connected)
		p.link, err = dispense(p.client)
	}()
	select {
	case <-connected:
		return err
	case <-ctx.Done():
		a.abort()
		<-connected
		return ctx.Err()
	}
}

// diagnose finds out why a process did not get ready, and prefers what the process did to what go-plugin saw of it.
func (p *Process) diagnose(ctx context.Context, a *adapter, err error, begun time.Time) error {
	var run *ExecError
	problem := a.trouble()
	switch {
	case errors.As(err, &run):
		return run
	case problem != nil && !errors.Is(problem, io.ErrUnexpectedEOF):
		return problem
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &NotReadyError{After: time.Since(begun), Last: p.log.lastWords()}
	case ctx.Err() != nil || p.cmd == nil:
		return err
	}
	select {
	case <-p.cmd.done:
		return p.cmd.ended()
	case <-time.After(deathWait):
	}
	if problem != nil {
		return &StdoutError{}
	}
	return fmt.Errorf("connect to it: %w", err)
}

// Conn returns the connection on which the process is called.
func (p *Process) Conn() grpc.ClientConnInterface { return p.link.conn }

// PID returns the number of the process.
func (p *Process) PID() int { return p.cmd.pid() }

// Done is closed when the process is dead.
func (p *Process) Done() <-chan struct{} { return p.cmd.done }

// LastWords returns the last lines that the process logged or printed, oldest first.
func (p *Process) LastWords() []string { return p.log.lastWords() }

// Ended returns how the process ended. It is called after Done.
func (p *Process) Ended() *ExitError { return p.cmd.ended() }

// Offer serves what register registers on one brokered connection, which the process may dial under the number that is
// returned. It is called once: a brokered connection costs a stream and several goroutines on both sides.
func (p *Process) Offer(register func(grpc.ServiceRegistrar)) (uint32, error) {
	id := p.link.broker.NextId()
	ready, over := make(chan struct{}), make(chan struct{})
	p.offer.Go(func() {
		defer close(over)
		p.link.broker.AcceptAndServe(id, func(opts []grpc.ServerOption) *grpc.Server {
			s := grpc.NewServer(append(opts,
				grpc.MaxRecvMsgSize(protocol.MaxMessageSize), grpc.MaxSendMsgSize(protocol.MaxMessageSize))...)
			register(s)
			p.mu.Lock()
			p.server = s
			p.mu.Unlock()
			close(ready) // the listener is there: a knock of the process will be answered
			return s
		})
	})
	select {
	case <-ready:
		return id, nil
	case <-over:
		return 0, errors.New("offer services to the process: its connection is closed")
	}
}

// Begin tells the process that it is on it to accept connections now. Those of the generation before come over from, if it
// is not nil; the process has its own copy of from afterwards.
func (p *Process) Begin(from *os.File) error {
	if err := p.cmd.line.begin(from); err != nil {
		return fmt.Errorf("tell the process that it serves: %w", err)
	}
	return nil
}

// Leave tells the process that its connections go over to, to the generation after it, when it is drained. The process has
// its own copy of to afterwards.
func (p *Process) Leave(to *os.File) error {
	if err := p.cmd.line.leave(to); err != nil {
		return fmt.Errorf("tell the process of its successor: %w", err)
	}
	return nil
}

// Left is closed when the process accepts nothing any more, because it has left or is gone. It is nil where that cannot be
// known.
func (p *Process) Left() <-chan struct{} { return p.cmd.line.left() }

// KeepListeners lets go of the listeners that this process has not asked for. It is called when it is the only one of its
// extension.
func (p *Process) KeepListeners() error { return p.cmd.line.keep() }

// Abandon ends the lifeline of the process, as the death of the host would. What it does about that is on it.
func (p *Process) Abandon() error { return p.cmd.line.Close() }

// Kill ends the process, first by asking it, and after bound by killing its process group; with 0 at once. It returns
// when the process and its private directory are gone. Every call but the first waits for that one. An error means that
// something is left.
func (p *Process) Kill(bound time.Duration) error {
	p.killOnce.Do(func() {
		defer close(p.killed)
		p.killErr = p.kill(bound)
	})
	<-p.killed
	return p.killErr
}

func (p *Process) kill(bound time.Duration) error {
	if p.cmd == nil { // it never started
		return p.dir.remove()
	}
	p.log.stopping()
	if bound <= 0 {
		p.cmd.end()
	}
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		p.client.Kill() // it can wait for ever for a process that hangs
	}()
	select {
	case <-asked:
	case <-time.After(bound):
	}
	p.cmd.end()
	late := time.After(killWait)
	for _, c := range []<-chan struct{}{p.cmd.done, asked} {
		select {
		case <-c:
		case <-late:
			return fmt.Errorf("process %d does not die; look at its state with ps", p.cmd.pid())
		}
	}
	p.mu.Lock()
	if p.server != nil {
		p.server.Stop()
	}
	p.mu.Unlock()
	p.offer.Wait()
	return p.dir.remove()
}
