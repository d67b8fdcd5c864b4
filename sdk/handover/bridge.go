package handover

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Bounds of one record, in bytes.
const (
	maxUnread = 4 << 20
	maxState  = 64 << 20
	maxPlace  = 4 << 10
)

// record is what goes with a connection, or alone.
type record struct {
	kind   kind
	idle   idle
	unread []byte // read and not dealt with
	state  []byte // of the session; or what is told or asked
}

// kind is what a record is about. One of a kind that this version does not know is refused.
type kind byte

const (
	ofRequests kind = iota // a connection on which a server is waiting for a request
	ofSession              // a connection that was detached
	told                   // what the extension tells the generation after, once and before all others; without a descriptor
	asked                  // what it asks; without a descriptor
)

// idle is what there is to know of a connection between two requests.
type idle struct {
	Place
	Served bool      `json:"served,omitempty"` // a request has been answered on it
	Until  time.Time `json:"until,omitzero"`   // the server would wait no longer; zero = for ever
}

// header begins a record on the bridge: its kind, and the lengths of its place, unread and state. The descriptor comes with
// its first byte.
const headerBytes = 1 + 3*4

// encode returns the record as it is sent.
func (r record) encode() ([]byte, error) {
	place, err := json.Marshal(r.idle)
	if err != nil {
		return nil, err
	}
	if len(place) > maxPlace || len(r.unread) > maxUnread || len(r.state) > maxState {
		return nil, fmt.Errorf("handover: a connection with %d unread bytes and a state of %d bytes is too large to move", len(r.unread), len(r.state))
	}
	b := make([]byte, headerBytes, headerBytes+len(place)+len(r.unread)+len(r.state))
	b[0] = byte(r.kind)
	binary.BigEndian.PutUint32(b[1:], uint32(len(place)))
	binary.BigEndian.PutUint32(b[5:], uint32(len(r.unread)))
	binary.BigEndian.PutUint32(b[9:], uint32(len(r.state)))
	b = append(b, place...)
	b = append(b, r.unread...)
	return append(b, r.state...), nil
}

// decode reads the rest of a record.
func decode(head []byte, from io.Reader) (record, error) {
	lengths := [3]uint32{binary.BigEndian.Uint32(head[1:]), binary.BigEndian.Uint32(head[5:]), binary.BigEndian.Uint32(head[9:])}
	if lengths[0] > maxPlace || lengths[1] > maxUnread || lengths[2] > maxState {
		return record{}, errors.New("handover: the generation before does not speak our language")
	}
	var parts [3][]byte
	for i, n := range lengths {
		if n == 0 {
			continue
		}
		parts[i] = make([]byte, n)
		if _, err := io.ReadFull(from, parts[i]); err != nil {
			return record{}, fmt.Errorf("handover: read a record: %w", err)
		}
	}
	r := record{kind: kind(head[0]), unread: parts[1], state: parts[2]}
	if err := json.Unmarshal(parts[0], &r.idle); err != nil {
		return record{}, fmt.Errorf("handover: read a record: %w", err)
	}
	return r, nil
}

// Answers of the successor, one byte a record, in the order of the records.
const (
	taken   = 1
	refused = 2
)

var (
	errRefused = errors.New("handover: the successor does not take it")
	errLost    = errors.New("handover: the successor is gone")
)

// sender is the old generation's end of a bridge.
type sender struct {
	conn *net.UnixConn
	done chan struct{}

	writing sync.Mutex // held while a record is written

	mu      sync.Mutex
	waiting []chan error // of records that were written and not answered, in their order
	broken  bool
}

func newSender(conn *net.UnixConn) *sender {
	s := &sender{conn: conn, done: make(chan struct{})}
	go s.listen()
	return s
}

// send hands c over, which is nil where the record is of none, and returns nil once the successor has it. c is still open here
// then, and has to be closed. With an error the successor does not have it; errRefused is its own.
func (s *sender) send(c stream, r record) error {
	b, err := r.encode()
	if err != nil {
		return err
	}
	s.writing.Lock()
	answer, err := s.write(c, b)
	s.writing.Unlock()
	if err != nil {
		return err
	}
	return <-answer
}

// tell sends what f returns. What others send meanwhile, even if it is because of what f does, goes behind it.
func (s *sender) tell(f func() []byte) error {
	s.writing.Lock()
	b, err := record{kind: told, state: f()}.encode()
	var answer <-chan error
	if err == nil {
		answer, err = s.write(nil, b)
	}
	s.writing.Unlock()
	if err != nil {
		return err
	}
	return <-answer
}

// write writes a record. s.writing is held.
func (s *sender) write(c stream, b []byte) (<-chan error, error) {
	answer := make(chan error, 1)
	s.mu.Lock()
	if s.broken {
		s.mu.Unlock()
		return nil, errLost
	}
	s.waiting = append(s.waiting, answer)
	s.mu.Unlock()
	if err := writeDescriptor(s.conn, b, c); err != nil {
		s.abandon()
		return nil, fmt.Errorf("handover: send a connection: %w", err)
	}
	return answer, nil
}

// listen gives out the answers of the successor until the bridge ends.
func (s *sender) listen() {
	defer close(s.done)
	defer s.abandon()
	buf := make([]byte, 256)
	for {
		n, err := s.conn.Read(buf)
		for _, b := range buf[:n] {
			if !s.answer(b) {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// answer gives one answer out. It reports whether it was one.
func (s *sender) answer(b byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 || (b != taken && b != refused) {
		return false
	}
	var err error
	if b == refused {
		err = errRefused
	}
	s.waiting[0] <- err
	s.waiting = s.waiting[1:]
	return true
}

// abandon fails everything that has no answer, and all that follows.
func (s *sender) abandon() {
	_ = s.conn.Close() // the successor drops what it has not read, descriptors included
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = true
	for _, w := range s.waiting {
		w <- errLost
	}
	s.waiting = nil
}

func (s *sender) isBroken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

func (s *sender) close() {
	s.abandon()
	<-s.done
}

// receive reads records until the bridge ends, which it does without an error between two records, and answers each.
func receive(from *net.UnixConn, take func(stream, record) bool) error {
	answers := make(chan byte, maxAnswers)
	answered := make(chan error, 1)
	go func() { answered <- answer(from, answers) }()
	err := receiveAll(from, take, answers)
	close(answers)
	return errors.Join(err, <-answered)
}

func receiveAll(from *net.UnixConn, take func(stream, record) bool, answers chan<- byte) error {
	head := make([]byte, headerBytes)
	for {
		c, err := readDescriptor(from, head)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		r, err := decode(head, from)
		if err != nil {
			return errors.Join(err, closeIf(c))
		}
		if take(c, r) {
			answers <- taken
			continue
		}
		_ = closeIf(c) // our copy only: the one who sent it still has it
		answers <- refused
	}
}

func closeIf(c stream) error {
	if c == nil {
		return nil
	}
	return c.Close()
}

// maxAnswers is how many answers may go in one write.
const maxAnswers = 256

// answer writes what comes from answers until that is closed, several at once where they come quicker than they go. After an
// error, which ends the bridge, it writes nothing any more.
func answer(to *net.UnixConn, answers <-chan byte) (failed error) {
	buf := make([]byte, 0, maxAnswers)
	for a := range answers {
		buf = append(buf[:0], a)
		for n := min(len(answers), maxAnswers-1); n > 0; n-- {
			buf = append(buf, <-answers)
		}
		if failed != nil {
			continue
		}
		if _, err := to.Write(buf); err != nil {
			failed = errors.Join(fmt.Errorf("handover: answer a record: %w", err), to.Close())
		}
	}
	return failed
}
