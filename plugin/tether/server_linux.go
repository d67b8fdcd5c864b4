package tether

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Pair returns the two ends of a new tether. The caller passes process to a child and closes it after the start.
func Pair() (host *net.UnixConn, process *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make tether: %w", err)
	}
	process = os.NewFile(uintptr(fds[1]), "tether")
	host, err = unixConn(fds[0])
	if err != nil {
		return nil, nil, errors.Join(err, process.Close())
	}
	return host, process, nil
}

// unixConn takes fd over.
func unixConn(fd int) (*net.UnixConn, error) {
	f := os.NewFile(uintptr(fd), "tether")
	defer func() { _ = f.Close() }() // the connection has a duplicate
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("open tether: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("open tether: descriptor %d is not a unix socket", fd), c.Close())
	}
	return u, nil
}

// Server is the host's end of the tether of one process.
type Server struct {
	conn      *net.UnixConn
	listeners *Listeners
	serving   sync.WaitGroup
	left      chan struct{}

	mu    sync.Mutex
	asked map[place]int // how many listeners the process has got, by the place without its number
}

// Serve answers what comes over conn from listeners, until Close or until the process is gone. The server owns conn.
func Serve(conn *net.UnixConn, listeners *Listeners) *Server {
	s := &Server{conn: conn, listeners: listeners, asked: map[place]int{}, left: make(chan struct{})}
	s.serving.Go(s.loop)
	return s
}

// Close ends the tether, which tells the process that the host is gone.
func (s *Server) Close() error {
	err := s.conn.Close()
	s.serving.Wait()
	return err
}

// Begin tells the process that it is on it to accept connections now; those of its predecessor come over from, which may be
// nil. The caller still owns from.
func (s *Server) Begin(from *os.File) error { return s.tell(opServe, from) }

// Keep closes the listeners of the set that this process has not asked for. It is called when no other process of the
// extension is left.
func (s *Server) Keep() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listeners.keep(func(p place) bool {
		nth := p.nth
		p.nth = 0
		return nth < s.asked[p]
	})
}

// Left is closed when the process accepts nothing any more, or is gone.
func (s *Server) Left() <-chan struct{} { return s.left }

// Leave tells the process over which end it hands its connections to its successor. The caller still owns to.
func (s *Server) Leave(to *os.File) error { return s.tell(opLeave, to) }

func (s *Server) tell(op string, f *os.File) error {
	if f == nil {
		_, err := s.conn.Write(encode(reply{Op: op}))
		return err
	}
	raw, err := f.SyscallConn() // f.Fd would make the end blocking, in all processes that have it
	if err != nil {
		return err
	}
	var failure error
	err = raw.Control(func(fd uintptr) {
		_, _, failure = s.conn.WriteMsgUnix(encode(reply{Op: op}), unix.UnixRights(int(fd)), nil)
	})
	return errors.Join(err, failure)
}

// loop ends at the first error: a process that does not speak the protocol has lost its tether and knows it.
func (s *Server) loop() {
	gone := false
	defer func() {
		if !gone {
			close(s.left)
		}
	}()
	// Descriptors that the process sends are dropped by the kernel, because nobody asks for them.
	buf := make([]byte, maxMessage+1)
	for {
		n, err := s.conn.Read(buf)
		if err != nil {
			return
		}
		r, err := parseRequest(buf[:n])
		if err != nil {
			if r.ID == 0 || s.refuse(r, &ListenError{Message: err.Error()}) != nil {
				_ = s.conn.Close() // Close reports it, if it is of interest
				return
			}
			continue
		}
		if r.Op == opLeft {
			if !gone {
				gone = true
				close(s.left)
			}
			continue
		}
		if err := s.listen(r); err != nil {
			return
		}
	}
}

func (s *Server) listen(r request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := place{network: r.Network, address: r.Address}
	p.nth = s.asked[p]
	d, err := s.listeners.get(p)
	if err != nil {
		return s.refuse(r, err)
	}
	p.nth = 0
	s.asked[p]++
	_, _, err = s.conn.WriteMsgUnix(encode(reply{ID: r.ID}), unix.UnixRights(d.fd), nil)
	return err
}

func (s *Server) refuse(r request, err error) error {
	var le *ListenError
	if !errors.As(err, &le) {
		le = &ListenError{Message: err.Error()}
	}
	msg := le.Message
	if len(msg) > maxMessage/2 {
		msg = msg[:maxMessage/2]
	}
	_, err = s.conn.Write(encode(reply{ID: r.ID, Errno: int(le.Errno), Error: msg}))
	return err
}
