package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/stagehouse/stagehouse/host/memories"
	"github.com/stagehouse/stagehouse/schema"
)

// maxImportSize bounds the body of one part of an import.
const maxImportSize = 8 << 20

// errNoMemories says that the runtime is no MemoryKeeper.
var errNoMemories = schema.Errorf(schema.CodeUnimplemented, "the runtime of this host keeps its memories in its own way, which these commands do not know")

// memories returns what agents remember.
func (c *control) memories() (*memories.Memory, error) {
	k, ok := c.host.runtime.(MemoryKeeper)
	if !ok {
		return nil, errNoMemories
	}
	return k.Memories(), nil
}

// keeping calls f with what agents remember, and answers with what it returns.
func (c *control) keeping(w http.ResponseWriter, f func(m *memories.Memory) (any, error)) {
	m, err := c.memories()
	var body any
	if err == nil {
		body, err = f(m)
	}
	if err != nil {
		c.refuseCall(w, err)
		return
	}
	answer(w, http.StatusOK, body)
}

func (c *control) memoryIndex(w http.ResponseWriter, r *http.Request) {
	c.keeping(w, func(m *memories.Memory) (any, error) { return c.index(r.Context(), m) })
}

func (c *control) memoryReindex(w http.ResponseWriter, r *http.Request) {
	c.keeping(w, func(m *memories.Memory) (any, error) {
		anew := r.FormValue("anew") == "true"
		if err := m.Reindex(anew); err != nil {
			return nil, err
		}
		c.host.log.Info("memories are embedded, as the control socket asks", "anew", anew)
		return c.index(r.Context(), m)
	})
}

// index returns the index with nothing secret in it.
func (c *control) index(ctx context.Context, m *memories.Memory) (memories.Index, error) {
	x, err := m.Index(ctx)
	x.Error, x.Words = c.host.Scrub(x.Error), c.host.Scrub(x.Words)
	return x, err
}

func (c *control) memoryImport(w http.ResponseWriter, r *http.Request) {
	c.keeping(w, func(m *memories.Memory) (any, error) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(askWait)) // not all that asks is a connection
		first, err := strconv.Atoi(r.URL.Query().Get("first"))
		if err != nil {
			return nil, schema.Invalid("first", "must be the number of a line")
		}
		q := r.URL.Query()
		return m.Import(r.Context(), http.MaxBytesReader(w, r.Body, maxImportSize), memories.Importing{
			AgentID: q.Get("agent"), Principal: q.Get("principal"), FirstLine: first,
		})
	})
}

// memoryExport writes JSON lines. An export that fails in the middle is cut off, so that nobody takes it for a whole one.
func (c *control) memoryExport(w http.ResponseWriter, r *http.Request) {
	m, err := c.memories()
	if err != nil {
		c.refuseCall(w, err)
		return
	}
	out := entryWriter{w: w, control: http.NewResponseController(w)}
	begun := false
	for item, err := range m.Export(r.Context(), r.FormValue("agent")) {
		switch {
		case err != nil && !begun:
			c.refuseCall(w, err)
			return
		case err != nil || c.life.Err() != nil:
			panic(http.ErrAbortHandler)
		}
		if !begun {
			w.Header().Set("Content-Type", "application/x-ndjson")
			begun = true
		}
		if err := out.one(item); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// MemoryIndex returns how far memories can be found by what they mean.
func (c *Client) MemoryIndex(ctx context.Context) (memories.Index, error) {
	return c.index(ctx, http.MethodGet, "")
}

// Reindex has what has no vector embedded now, or everything anew; see memories.Memory.Reindex.
func (c *Client) Reindex(ctx context.Context, anew bool) (memories.Index, error) {
	return c.index(ctx, http.MethodPost, "?anew="+strconv.FormatBool(anew))
}

func (c *Client) index(ctx context.Context, method, query string) (x memories.Index, err error) {
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	err = c.ask(ctx, method, "/memories/index"+query, &x)
	return x, err
}

// ExportMemories copies the memories of an agent, "" = of all, as JSON lines.
func (c *Client) ExportMemories(ctx context.Context, agentID string, to io.Writer) error {
	resp, err := c.do(ctx, http.MethodGet, "/memories?"+url.Values{"agent": {agentID}}.Encode())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	in := &cutOff{r: resp.Body}
	_, err = io.Copy(to, in)
	switch {
	case in.err != nil:
		return fmt.Errorf("the host is gone, in the middle of the export: %w", in.err)
	case err != nil:
		return fmt.Errorf("write the export: %w", err)
	}
	return nil
}

// cutOff remembers how a reader failed.
type cutOff struct {
	r   io.Reader
	err error
}

func (c *cutOff) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// ImportMemories imports JSON lines, of which there are at most 8 MiB; see memories.Memory.Import.
func (c *Client) ImportMemories(ctx context.Context, lines io.Reader, o memories.Importing) (out memories.Imported, err error) {
	query := url.Values{"agent": {o.AgentID}, "principal": {o.Principal}, "first": {strconv.Itoa(o.FirstLine)}}
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	resp, err := c.send(ctx, http.MethodPost, "/memories?"+query.Encode(), lines)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	return out, read(resp, &out)
}
