package host

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/stagehouse/stagehouse/host/logging"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
)

// Bounds of the control socket.
const (
	maxControlConns   = 32
	maxFollows        = 24 // of those, so that there is always room for a question
	maxControlHeader  = 16 << 10
	controlReadWait   = 5 * time.Second  // for a request
	controlIdleWait   = 30 * time.Second // for the next one on a connection
	controlWriteWait  = 10 * time.Second // for a client that does not read
	controlCloseWait  = 2 * time.Second  // for answers in flight when the host ends
	maxLogLines       = 1000
	defaultLogLines   = 100
	controlPathPrefix = "/v1"
)

// Description is what is known about an extension.
type Description struct {
	Status      plugin.Status      `json:"status"`
	Description schema.Description `json:"description"` // what its program says it is
}

// Describe asks the program of an enabled extension what it is, and adds what the extension is doing.
func (h *Host) Describe(ctx context.Context, name string) (Description, error) {
	h.mu.Lock()
	spec, ok := h.wanted[name]
	h.mu.Unlock()
	if !ok {
		return Description{}, fmt.Errorf("describe extension %s: %w", name, plugin.ErrUnknown)
	}
	result, err := plugin.Check(ctx, spec)
	if err != nil {
		return Description{}, err
	}
	d := Description{Status: plugin.Status{Name: name}, Description: result.Description}
	for _, s := range h.Extensions() {
		if s.Name == name {
			d.Status = s
		}
	}
	return d, nil
}

// Logs returns up to n of the last lines of the log that are about an extension, oldest first, and a follower of those that
// come after them, which the caller closes.
func (h *Host) Logs(name string, n int) ([]logging.Line, *logging.Follower) {
	return h.tails.Follow(name, n)
}

// control answers the commands of an operator on a socket that only the user of this process can connect to.
type control struct {
	host   *Host
	socket *socket
	server *http.Server
	served chan struct{}
	life   context.Context // ends with Close
	end    context.CancelFunc

	follows atomic.Int64
}

// openControl begins to listen and to answer.
func openControl(h *Host) (*control, error) {
	s, err := listen(h.data, h.runDir())
	if err != nil {
		return nil, err
	}
	c := &control{host: h, socket: s, served: make(chan struct{})}
	c.life, c.end = context.WithCancel(context.Background())
	c.server = &http.Server{
		Handler: c.routes(), MaxHeaderBytes: maxControlHeader, IdleTimeout: controlIdleWait,
		ReadHeaderTimeout: controlReadWait, // a ReadTimeout would end the context of a follow
	}
	go func() {
		defer close(c.served)
		if err := c.server.Serve(s); !errors.Is(err, http.ErrServerClosed) {
			h.log.Warn("the control socket is closed", "error", err.Error())
		}
	}()
	return c, nil
}

// Path returns the path of the socket, or "" if there is none.
func (c *control) Path() string {
	if c == nil {
		return ""
	}
	return c.socket.path
}

// Close ends every follow and every wait for a reload, answers what is left, and removes the socket.
func (c *control) Close() error {
	if c == nil {
		return nil
	}
	c.end()
	ctx, cancel := context.WithTimeout(context.Background(), controlCloseWait)
	defer cancel()
	err := c.server.Shutdown(ctx)
	if err != nil {
		err = c.server.Close()
	}
	<-c.served
	return errors.Join(err, c.socket.remove())
}

func (c *control) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+controlPathPrefix+"/host", c.vitals)
	mux.HandleFunc("GET "+controlPathPrefix+"/usage", c.usage)
	mux.HandleFunc("GET "+controlPathPrefix+"/budgets", c.budgets)
	mux.HandleFunc("GET "+controlPathPrefix+"/extensions", c.list)
	mux.HandleFunc("GET "+controlPathPrefix+"/extensions/{name}", c.describe)
	mux.HandleFunc("GET "+controlPathPrefix+"/extensions/{name}/logs", c.logs)
	mux.HandleFunc("POST "+controlPathPrefix+"/extensions/{name}/reload", c.reload)
	mux.HandleFunc("POST "+controlPathPrefix+"/reload", c.reload)
	mux.HandleFunc("GET "+controlPathPrefix+"/memories/index", c.memoryIndex)
	mux.HandleFunc("POST "+controlPathPrefix+"/memories/index", c.memoryReindex)
	mux.HandleFunc("GET "+controlPathPrefix+"/memories", c.memoryExport)
	all := http.NewServeMux()
	all.HandleFunc("POST "+controlPathPrefix+"/memories", c.memoryImport)
	all.Handle("/", http.MaxBytesHandler(mux, 0)) // no other request has a body
	return all
}
