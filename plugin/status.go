package plugin

import "time"

// State is what an extension is doing.
type State string

// The states of an extension.
const (
	StateStarting   State = "starting"
	StateRunning    State = "running"
	StateRestarting State = "restarting" // it died or hung, and is started anew; connects to it wait
	StateWaiting    State = "waiting"    // for the process that it is to be attached to, which somebody else starts; connects to it wait
	StateBroken     State = "broken"     // it died again and again, and is not started any more until it is reloaded
	StateDraining   State = "draining"
	StateStopped    State = "stopped"
)

// Status is a look at an extension.
type Status struct {
	Name       string    `json:"name"`
	State      State     `json:"state"`
	Generation uint64    `json:"generation"` // counts launches, failed ones too
	PID        int       `json:"pid,omitempty"`
	Attach     string    `json:"attach,omitempty"`    // address of the process that it is attached to, or waits for; "" = the host runs its own
	Since      time.Time `json:"since"`               // when it came into its state
	Reloaded   time.Time `json:"reloaded,omitzero"`   // when this generation last took another block in place; zero = it has the one that it was started with
	Restarts   int       `json:"restarts"`            // since the first start
	LastError  string    `json:"lastError,omitempty"` // why it was last restarted, or could not be
	Listeners  []string  `json:"listeners"`           // addresses that it serves on
	Memory     uint64    `json:"memory,omitempty"`    // of its process, resident, in bytes; 0 = the system does not tell
	OpenFiles  uint64    `json:"openFiles,omitempty"` // of its process, sockets among them; 0 = the system does not tell
	FileLimit  uint64    `json:"fileLimit,omitempty"` // how many it may have

	Metrics map[string]float64 `json:"metrics,omitempty"` // what it counts itself, as it was when it was last well
}

func (e *extension) status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.now
	s.Listeners, s.Attach = append([]string{}, s.Listeners...), e.spec.Attach
	if e.current != nil {
		files := e.current.proc.Files()
		if m := e.current.metrics.Load(); m != nil {
			s.Metrics = *m // which nobody changes
		}
		s.Memory, s.OpenFiles, s.FileLimit = e.current.proc.Memory(), files.Open, files.Limit
	}
	return s
}
