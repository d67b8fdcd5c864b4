package ws

import (
	"slices"

	"github.com/stagehouse/stagehouse/schema"
)

// earlier is what a socket has been sent of its own turns that are over: none of it may be sent again, neither by the replay
// that its first subscription asks for nor because a command is repeated. The zero earlier is empty.
type earlier struct {
	closed    bool          // the socket has subscribed
	runs      []string      // turns that are over, oldest first
	forgotten schema.Cursor // frames up to there may be of turns that are not in runs; zero once closed
}

// add remembers a turn that is over; last is the place of the last frame that was sent.
func (p *earlier) add(run string, last schema.Cursor) {
	if len(p.runs) == maxRuns {
		p.runs = slices.Delete(p.runs, 0, 1)
		p.forget(last)
	}
	p.runs = append(p.runs, run)
}

// forget says that a turn is forgotten some of whose frames were sent; last is as it is for add.
func (p *earlier) forget(last schema.Cursor) {
	if !p.closed {
		p.forgotten = last
	}
}

// resumable returns why a socket cannot be sent what followed since.
func (p *earlier) resumable(since schema.Cursor) error {
	var wrong fields
	switch {
	case p.closed:
		wrong.add("since", "is for the first subscribe of a socket, and this one has subscribed before; leave it out, or open another socket to resume")
	case p.forgotten.Epoch == since.Epoch && p.forgotten.Seq > since.Seq:
		wrong.add("since", "is too far behind the turns that this socket has begun; open another socket, and resume there first")
	}
	return asError(wrong.err())
}
