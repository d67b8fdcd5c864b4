package sdk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	goplugin "github.com/hashicorp/go-plugin"

	"github.com/stagehouse/stagehouse/plugin/attach"
	"github.com/stagehouse/stagehouse/plugin/protocol"
)

// debug waits for hosts to attach to this process, which none of them has started, and serves each of them with an instance of
// its own, until a signal ends it.
func (p program) debug() int {
	if p.def.offers != nil {
		return p.complain(errors.New("a runtime cannot be attached; attach the debugger to the process that the host has started"))
	}
	address := attach.Address(p.def.Name)
	ln, err := attach.Listen(address)
	if err != nil {
		return p.complain(err)
	}
	block, err := json.Marshal(map[string]any{"extensions": map[string]any{p.def.Name: map[string]any{"plugin": map[string]any{"attach": address}}}})
	if err != nil {
		return p.complain(err)
	}
	_, _ = fmt.Fprintf(p.stderr, "%s waits for a host. Put this into its configuration, beside the keys of the extension's own; end it with Ctrl-C:\n",
		filepath.Base(os.Args[0]))
	_, _ = fmt.Fprintf(p.stdout, "%s\n", block)
	signal.Ignore(syscall.SIGPIPE) // a host that is gone does not read the log any more
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, os.Interrupt, syscall.SIGTERM)
	d := &debuggee{program: p, over: make(chan struct{}), turn: make(chan struct{}, 1), out: os.Stdout, err: os.Stderr}
	go func() {
		<-ended
		close(d.over)
		_ = ln.Close() // no host comes any more
	}()
	return d.accept(ln)
}

// debuggee is a process that hosts attach to.
type debuggee struct {
	program
	over     chan struct{} // closed when the process is to end
	turn     chan struct{} // of capacity 1: holds a token while go-plugin shakes hands, for which the environment and the standard streams are its own
	out, err *os.File      // the standard streams
	visits   sync.WaitGroup

	mu     sync.Mutex
	holder attach.Host // that has instances
	held   int         // how many
}

func (d *debuggee) accept(ln *attach.Listener) int {
	defer d.visits.Wait()
	for {
		v, err := ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return 0
		case err != nil:
			return d.complain(fmt.Errorf("wait for a host: %w", err))
		}
		d.visits.Go(func() {
			defer v.Close()
			if err := d.receive(v); err != nil && !errors.Is(err, io.EOF) { // somebody may only have looked whether we are here
				_ = d.complain(err)
			}
		})
	}
}

// receive does what a host asks for, and returns when it is done with it.
func (d *debuggee) receive(v *attach.Visit) error {
	r, fds, err := v.Receive()
	if err != nil {
		return err
	}
	if r.Check != nil {
		closeAll(fds) // a check needs none
		a := attach.Answer{}
		result, err := d.checked(r.Check)
		if err == nil {
			a.Result, err = json.Marshal(result)
		}
		if err != nil {
			a.Error = err.Error()
		}
		return v.Answer(a)
	}
	if holder, free := d.take(r.Host); !free {
		closeAll(fds)
		return v.Answer(attach.Answer{Holder: holder.PID})
	}
	defer d.release()
	s, err := d.seat(r.Env, fds)
	if err != nil {
		return errors.Join(err, v.Answer(attach.Answer{Error: err.Error()}))
	}
	defer s.close()
	if err := v.Answer(attach.Answer{}); err != nil {
		return err
	}
	d.serveHost(s, r.Env)
	return nil
}

// take gives a host one more instance, unless another one has any. A host is let go of when all of its instances have finished.
func (d *debuggee) take(h attach.Host) (holder attach.Host, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held > 0 && d.holder != h {
		return d.holder, false
	}
	d.holder = h
	d.held++
	return h, true
}

func (d *debuggee) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held--
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = os.NewFile(uintptr(fd), "of the host").Close() // nobody has used it
	}
}

// seat is what one host has of this process: an instance, and the host's ends of its standard output and its log.
type seat struct {
	*member
	out, lines *os.File
}

// seat takes what a host has handed over.
func (d *debuggee) seat(env map[string]string, fds []int) (*seat, error) {
	if len(fds) != 3 {
		closeAll(fds)
		return nil, fmt.Errorf("the host hands over %d descriptors, and not 3; it is of another version than the sdk", len(fds))
	}
	s := &seat{out: os.NewFile(uintptr(fds[0]), "the host's standard output"), lines: os.NewFile(uintptr(fds[1]), "the host's log")}
	var stdin io.ReadCloser
	if env[protocol.EnvTether] != "" {
		env[protocol.EnvTether] = strconv.Itoa(fds[2]) // it is another number here
	} else {
		stdin = os.NewFile(uintptr(fds[2]), "the host's lifeline")
	}
	var err error
	if s.member, err = d.join(func(name string) string { return env[name] }, stdin, d.logTo(s)); err != nil {
		return nil, errors.Join(err, s.out.Close(), s.lines.Close())
	}
	return s, nil
}

// logTo returns where the log for a host goes: to it, and to whoever looks at the debugger.
func (d *debuggee) logTo(s *seat) io.Writer { return io.MultiWriter(d.err, s.lines) }

// serveHost serves one host until it detaches, or this process ends. What is in flight is finished.
func (d *debuggee) serveHost(s *seat, env map[string]string) {
	select {
	case d.turn <- struct{}{}:
	case <-s.line.Gone():
		return
	case <-d.over:
		return
	}
	s.contract.output = sync.OnceFunc(func() {
		os.Stdout, os.Stderr = d.out, d.err
		<-d.turn
	})
	for name, value := range env {
		if name != protocol.EnvTether && name != protocol.EnvLifeline && protocol.Reserved(name) {
			_ = os.Setenv(name, value) // go-plugin looks for it there
		}
	}
	os.Stdout = s.out // where go-plugin says that it serves
	served := make(chan struct{})
	go func() {
		defer close(served)
		goplugin.Serve(serveConfig(s.contract, d.logTo(s)))
	}()
	select {
	case <-served:
	case <-s.line.Gone():
	case <-d.over:
	}
	s.log.Info("the host is detached, or about to be; what is in flight is finished")
	drain(s.server, s.log)
	select {
	case <-served:
	case grpc := <-s.contract.registered:
		grpc.Stop() // after which go-plugin does not serve any more
		<-served
	}
	s.contract.output()
}

// close lets go of everything that belongs to the host.
func (s *seat) close() {
	s.server.Close()
	_, _, _ = s.line.Close(), s.out.Close(), s.lines.Close() // the host knows
}
