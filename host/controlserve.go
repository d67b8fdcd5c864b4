package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/stagehouse/stagehouse/host/logging"
	"github.com/stagehouse/stagehouse/plugin"
)

// extensionList is the answer to a list and to a reload.
type extensionList struct {
	Extensions []plugin.Status `json:"extensions"`
}

// controlProblem is every answer that is no success.
type controlProblem struct {
	Error    string    `json:"error"`
	Failures []Failure `json:"failures,omitempty"`
}

// logEntry is a line of the answer to a follow: a line of the log, or why there are no more of them.
type logEntry struct {
	*logging.Line
	End string `json:"end,omitempty"`
}

// Why a follow ends, beside that the client goes away.
const (
	endSlow = "too slow"
	endHost = "the host stops"
)

func (c *control) list(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, extensionList{Extensions: append([]plugin.Status{}, c.host.Extensions()...)})
}

func (c *control) describe(w http.ResponseWriter, r *http.Request) {
	d, err := c.host.Describe(r.Context(), r.PathValue("name"))
	if err != nil {
		c.refuse(w, err)
		return
	}
	answer(w, http.StatusOK, d)
}

// reload waits for the result. A client that goes away does not take back what it asked for.
func (c *control) reload(w http.ResponseWriter, r *http.Request) {
	var names []string
	if name := r.PathValue("name"); name != "" {
		names = []string{name}
	}
	c.host.log.Info("a reload was asked for on the control socket", "names", names)
	if err := c.host.told(c.host.Reload(c.life, names...)); err != nil {
		c.refuse(w, err)
		return
	}
	c.list(w, r)
}

func (c *control) logs(w http.ResponseWriter, r *http.Request) {
	name, n := r.PathValue("name"), defaultLogLines
	if text := r.FormValue("lines"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 0 || n > maxLogLines {
			answer(w, http.StatusBadRequest, controlProblem{Error: fmt.Sprintf("lines: a number from 0 to %d, and not %q", maxLogLines, text)})
			return
		}
	}
	if !c.host.mentions(name) {
		c.refuse(w, fmt.Errorf("logs of extension %s: %w", name, plugin.ErrUnknown))
		return
	}
	defer c.follows.Add(-1)
	if c.follows.Add(1) > maxFollows {
		answer(w, http.StatusServiceUnavailable, controlProblem{Error: fmt.Sprintf("%d commands follow a log already; end one of them", maxFollows)})
		return
	}
	lines, follower := c.host.Logs(name, n)
	defer follower.Close()
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := entryWriter{w: w, control: http.NewResponseController(w)}
	if err := out.write(lines...); err != nil || r.FormValue("follow") != "true" {
		return
	}
	for {
		select {
		case <-r.Context().Done():
			return
		case <-c.life.Done():
			_ = out.end(endHost) // nobody reads it if this fails
			return
		case l, ok := <-follower.Lines():
			if !ok {
				_ = out.end(endSlow)
				return
			}
			if err := out.write(l); err != nil {
				return
			}
		}
	}
}

// mentions reports whether there is something to follow under a name: an enabled extension, or lines of an earlier one.
func (h *Host) mentions(name string) bool {
	h.mu.Lock()
	_, ok := h.wanted[name]
	h.mu.Unlock()
	return ok || len(h.tails.Last(name, 1)) > 0
}

// entryWriter writes log entries, or what else is one a line, each with a deadline.
type entryWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (e entryWriter) write(lines ...logging.Line) error {
	entries := make([]logEntry, len(lines))
	for i := range lines {
		entries[i].Line = &lines[i]
	}
	return e.entries(entries...)
}

func (e entryWriter) end(why string) error { return e.entries(logEntry{End: why}) }

func (e entryWriter) entries(entries ...logEntry) error {
	for _, entry := range entries {
		if err := e.one(entry); err != nil {
			return err
		}
	}
	return e.control.Flush()
}

// one writes a value as a line.
func (e entryWriter) one(v any) error {
	if err := e.control.SetWriteDeadline(time.Now().Add(controlWriteWait)); err != nil {
		return err
	}
	return json.NewEncoder(e.w).Encode(v)
}

// refuse answers with an error.
func (c *control) refuse(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, plugin.ErrUnknown):
		status = http.StatusNotFound
	case errors.Is(err, plugin.ErrClosed), errors.Is(err, context.Canceled):
		status = http.StatusServiceUnavailable
	case errors.Is(err, plugin.ErrSuperseded):
		status = http.StatusConflict
	}
	answer(w, status, controlProblem{Error: c.host.Scrub(err.Error()), Failures: c.host.failures(err)})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(controlWriteWait)) // not all that answers is a connection
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who does not read it is gone
}
