package host

import (
	"context"
	"net/http"
	"os"
	"runtime"
	"time"
)

// Vitals is how a host is.
type Vitals struct {
	Version    string    `json:"version"`
	PID        int       `json:"pid"`
	Since      time.Time `json:"since"`      // when it was started
	Goroutines int       `json:"goroutines"` // a number that grows from reload to reload is a leak
	Heap       uint64    `json:"heap"`       // in bytes, of what is alive or not yet collected
}

// Vitals returns how the host is now.
func (h *Host) Vitals() Vitals {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Vitals{Version: Version, PID: os.Getpid(), Since: h.started, Goroutines: runtime.NumGoroutine(), Heap: m.HeapAlloc}
}

// Vitals returns how the host is now.
func (c *Client) Vitals(ctx context.Context) (Vitals, error) {
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	var v Vitals
	err := c.ask(ctx, http.MethodGet, "/host", &v)
	return v, err
}

func (c *control) vitals(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, c.host.Vitals())
}
