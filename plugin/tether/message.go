package tether

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// maxMessage bounds a message in bytes, maxAddress the address in it.
const (
	maxMessage = 4 << 10
	maxAddress = 256
)

// request is what the extension sends.
type request struct {
	ID      uint64 `json:"id"`
	Op      string `json:"op"` // opListen; or, without an ID and an answer, opLeft
	Network string `json:"network,omitempty"`
	Address string `json:"address,omitempty"`
}

const (
	opListen = "listen"
	opLeft   = "left" // nothing is accepted any more
)

// reply is what the host answers, when it has an ID; a listener comes with the one that has no error. Without an ID it is
// a notice, and may bring the end of a hand-over.
type reply struct {
	ID    uint64 `json:"id,omitempty"`
	Op    string `json:"op,omitempty"` // opServe, opLeave
	Errno int    `json:"errno,omitempty"`
	Error string `json:"error,omitempty"`
}

// Notices of the host.
const (
	opServe = "serve" // it is on you to accept; the descriptor, if there is one, leads to your predecessor
	opLeave = "leave" // the descriptor leads to your successor
)

func networks() []string { return []string{"tcp", "tcp4", "tcp6", "unix"} }

func parseRequest(b []byte) (request, error) {
	var r request
	if err := parse(b, &r); err != nil {
		return request{}, err
	}
	switch {
	case r.Op == opLeft:
		return r, nil
	case r.Op != opListen:
		return r, fmt.Errorf("unknown operation %.40q", r.Op)
	case !slices.Contains(networks(), r.Network):
		return r, fmt.Errorf("unknown network %.40q; the networks are %v", r.Network, networks())
	case len(r.Address) > maxAddress:
		return r, fmt.Errorf("the address has %d bytes; at most %d are allowed", len(r.Address), maxAddress)
	}
	return r, nil
}

func parseReply(b []byte) (reply, error) {
	var r reply
	err := parse(b, &r)
	return r, err
}

func parse(b []byte, into any) error {
	if len(b) > maxMessage {
		return fmt.Errorf("message of %d bytes; at most %d are allowed", len(b), maxMessage)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("read message: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read message: something follows after it")
	}
	return nil
}

// encode never fails: the messages are of strings and numbers.
func encode(m any) []byte {
	b, err := json.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("tether: encode %T: %v", m, err))
	}
	return b
}
