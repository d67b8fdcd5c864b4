package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/stagehouse/stagehouse/schema"
)

// follower follows the log over any number of sockets, one after the other. It is used by one goroutine at a time.
type follower struct {
	c     *Client
	want  command       // what to subscribe to
	place schema.Cursor // up to where everything has been seen; zero = nowhere yet

	sock  *socket // nil = there is none at the moment
	gone  bool    // the log does not reach back to the place, and the gap that says so has not come yet
	retry backoff
}

func (c *Client) newFollower(want command, place schema.Cursor) *follower {
	return &follower{c: c, want: want, place: place, retry: c.newBackoff()}
}

// begin opens the first socket. It gives up when the server is not there for as long as the settings say.
func (f *follower) begin(ctx context.Context) error {
	ctx, stop := f.c.lifetime(ctx)
	defer stop(nil)
	bounded, cancel := context.WithTimeout(ctx, f.c.openTimeout)
	defer cancel()
	for {
		err := f.open(bounded)
		if err == nil {
			return nil
		}
		final := f.lose(bounded, err)
		switch {
		case final == nil:
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case bounded.Err() != nil:
			return fmt.Errorf("the server could not be reached for %v: %w", f.c.openTimeout, err)
		default:
			return final
		}
	}
}

// next returns the next event. It comes again for as long as that makes sense; an error is the end.
func (f *follower) next(ctx context.Context) (schema.Event, error) {
	for {
		var err error
		if f.sock == nil {
			err = f.open(ctx)
		}
		if err == nil {
			var e schema.Event
			if e, err = f.read(ctx); err == nil {
				f.retry.reset()
				return e, nil
			}
		}
		if err := f.lose(ctx, err); err != nil {
			return schema.Event{}, err
		}
	}
}

// open opens a socket that goes on from the place where the follower is.
func (f *follower) open(ctx context.Context) error {
	s, err := f.c.open(ctx)
	if err != nil {
		return err
	}
	if err := f.subscribe(ctx, s); err != nil {
		s.close()
		return err
	}
	f.sock = s
	f.retry.up()
	return nil
}

func (f *follower) subscribe(ctx context.Context, s *socket) error {
	c := f.want
	c.Type, c.Since = typeSubscribe, f.place.String()
	answer, err := s.ask(ctx, c)
	if err != nil {
		return err
	}
	var got subscribed
	if err := answer.as(&got); err != nil {
		return err
	}
	f.gone = !f.place.IsZero() && !got.Recovered
	if f.place.IsZero() {
		f.place, err = schema.ParseCursor(got.Head)
	}
	if err != nil || f.place.IsZero() {
		return faulty("it names no place in the log")
	}
	return nil
}

// lose lets go of the socket and waits until it is time for the next one. The error is the end.
func (f *follower) lose(ctx context.Context, err error) error {
	f.close()
	l := lossOf(err)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, ErrClosed):
		return ErrClosed
	case l.final:
		return l.cause
	}
	wait := f.retry.next(l.wait)
	f.c.comingAgain(err, wait, f.place)
	return sleep(ctx, wait)
}

// close closes the socket, if there is one.
func (f *follower) close() {
	if f.sock != nil {
		f.sock.close()
		f.sock = nil
	}
}

// read returns the next event of the socket, unless something is missing before it.
func (f *follower) read(ctx context.Context) (schema.Event, error) {
	for {
		fr, err := f.sock.next(ctx)
		if err != nil {
			return schema.Event{}, err
		}
		if !fr.isPlace() {
			continue
		}
		e, err := fr.event()
		if err != nil {
			return e, err
		}
		again := e.Cursor.Epoch == f.place.Epoch && e.Cursor.Seq <= f.place.Seq
		switch {
		case e.Type == schema.EventGap && (f.gone || !again):
			f.gone = false
			f.c.logger.Warn("the server does not have events any more that were asked for", "from", f.place.String(), "to", e.Cursor.String())
		case e.Type == schema.EventGap:
			continue // before the place: nothing that is missing here
		case f.gone:
			return e, faulty("its log does not reach back to %s, and no gap says what is missing", f.place)
		case again:
			continue // sent twice
		case e.Cursor.Epoch != f.place.Epoch || *fr.PrevSeq != f.place.Seq:
			return e, faulty("event %s says that it comes after number %d, and %s was the last: something is lost", e.Cursor, *fr.PrevSeq, f.place)
		}
		f.place = e.Cursor
		return e, nil
	}
}
