package attach

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// Request is what a host says to a process: it attaches, or has a block of configuration checked.
type Request struct {
	Host  Host              `json:"host"`            // who asks
	Env   map[string]string `json:"env,omitempty"`   // what it would have started the process with
	Check json.RawMessage   `json:"check,omitempty"` // the block; there are no descriptors then
}

// Host is who attaches a process. All generations that one host has of it are its own.
type Host struct {
	ID  string `json:"id"` // no other host has it
	PID int    `json:"pid"`
}

// NewHost returns what no host was before.
func NewHost() Host { return Host{ID: rand.Text(), PID: os.Getpid()} }

// Answer is what the process says to that, once.
type Answer struct {
	PID    int             `json:"pid"`
	Result json.RawMessage `json:"result,omitempty"` // of a check
	Error  string          `json:"error,omitempty"`
	Holder int             `json:"holder,omitempty"` // the process of another host that it is attached to, and so not to this one
}

// AbsentError says that no process at an address can be attached now, and that one may be later.
type AbsentError struct {
	Address string
	Silent  bool // one is there, and does not answer
	Holder  int  // one is there, and is attached to the host that is this process
}

func (e *AbsentError) Error() string {
	switch {
	case e.Silent:
		return fmt.Sprintf("the process at %s does not answer; is it stopped at a breakpoint?", e.Address)
	case e.Holder != 0:
		return fmt.Sprintf("the process at %s is attached to another host, which is process %d", e.Address, e.Holder)
	}
	return fmt.Sprintf("no process waits to be attached at %s; run the extension with -debug", e.Address)
}

// Bounds of what the two sides say to each other.
const (
	maxMessage     = 16 << 20 // bytes
	requestTimeout = 5 * time.Second
)

// maxAddress is how long the path of a socket may be on every system.
const maxAddress = 103

// Address returns where the extension of that name waits: the same place every time, so that the configuration of the host is good
// for the next run, too.
func Address(name string) string {
	dir := fmt.Sprintf("stagehouse-debug-%d", os.Getuid())
	base := os.TempDir()
	if run := os.Getenv("XDG_RUNTIME_DIR"); run != "" {
		base = run
	}
	socket := url.PathEscape(name) + ".sock"
	address := filepath.Join(base, dir, socket)
	if len(address) > maxAddress && runtime.GOOS != "windows" {
		return filepath.Join("/tmp", dir, socket)
	}
	return address
}
