package attach

import (
	"context"
	"encoding/json"
	"errors"
	"os"
)

// errUnsupported is what everything answers here: descriptors do not travel over a socket.
var errUnsupported = errors.New("attaching a process works on Unix only; on Windows, attach the debugger to the process that the host has started")

// Listener is where a process waits for hosts, which it cannot do here.
type Listener struct{}

// Listen returns an error.
func Listen(string) (*Listener, error) { return nil, errUnsupported }

// Close does nothing.
func (*Listener) Close() error { return nil }

// Accept returns an error.
func (*Listener) Accept() (*Visit, error) { return nil, errUnsupported }

// Visit is one host that a process deals with.
type Visit struct{}

// Receive returns an error.
func (*Visit) Receive() (Request, []int, error) { return Request{}, nil, errUnsupported }

// Answer returns an error.
func (*Visit) Answer(Answer) error { return errUnsupported }

// Close does nothing.
func (*Visit) Close() {}

// Guest is a process that a host is attached to.
type Guest struct{}

// Waits reports whether a process waits at address: none does.
func Waits(string) bool { return false }

// Dial returns an error.
func Dial(context.Context, string, Host, map[string]string, []*os.File) (*Guest, error) {
	return nil, errUnsupported
}

// Check returns an error.
func Check(context.Context, string, json.RawMessage) ([]byte, error) { return nil, errUnsupported }

// PID returns 0.
func (*Guest) PID() int { return 0 }

// Wait returns.
func (*Guest) Wait() {}

// Leave does nothing.
func (*Guest) Leave() {}
