package apitest

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
)

// Exchange is what goes over one socket. Beside every frame by itself, it looks at what answers what. It may be used from many
// goroutines.
type Exchange struct {
	frames *Frames

	mu   sync.Mutex
	open map[string][]string // types of commands without an answer, by their id as JSON, in the order in which they were sent
}

// NewExchange returns the exchange of a new socket.
func (f *Frames) NewExchange() *Exchange { return &Exchange{frames: f, open: map[string][]string{}} }

// head is what is looked at of a frame.
type head struct {
	Type string          `json:"type"`
	ID   json.RawMessage `json:"id"`
	Code string          `json:"code"`
}

// Sent returns what is wrong with a command that a client is about to send, or nil.
func (x *Exchange) Sent(command []byte) error {
	if err := x.frames.Check(FromClient, command); err != nil {
		return err
	}
	var h head
	if err := json.Unmarshal(command, &h); err != nil {
		return err
	}
	if h.ID != nil {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.open[string(h.ID)] = append(x.open[string(h.ID)], h.Type)
	}
	return nil
}

// Got returns what is wrong with a frame of the server, or nil: with the frame, with its being the answer to that command, or
// with the code of an error.
func (x *Exchange) Got(frame []byte) error {
	if err := x.frames.Check(FromServer, frame); err != nil {
		return err
	}
	var h head
	if err := json.Unmarshal(frame, &h); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	asked := x.open[string(h.ID)]
	if len(asked) == 0 { // it answers nothing that was sent through here
		return nil
	}
	x.open[string(h.ID)] = asked[1:]
	c := x.frames.commands[asked[0]]
	switch {
	case !slices.Contains(c.types, h.Type):
		return fmt.Errorf("a %s is answered by what the document does not have answer it\n%.2000s", asked[0], frame)
	case h.Code != "" && !slices.Contains(c.codes, h.Code):
		return fmt.Errorf("a %s comes to an error that the document does not have it come to\n%.2000s", asked[0], frame)
	}
	return nil
}
