package memories

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stagehouse/stagehouse/host/fault"
	"github.com/stagehouse/stagehouse/host/internal/ids"
	"github.com/stagehouse/stagehouse/host/internal/strictjson"
	"github.com/stagehouse/stagehouse/host/paging"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

const (
	exportPage  = 100
	importBatch = 100     // memories that are kept in one commit
	maxLine     = 1 << 20 // bytes of a line of an import
	maxCreated  = 2261    // the last whole year of a time in nanoseconds, as a store keeps it
	maxExpires  = 9999    // the last year that can be written in JSON, whatever the zone that a line says it in
)

// Export yields what an agent remembers, "" = what every agent does, of whomever it is, in the order in which it was kept. What has
// expired is left out. CodeNotFound if there is no such agent.
func (s *Memory) Export(ctx context.Context, agentID string) iter.Seq2[schema.MemoryItem, error] {
	return func(yield func(schema.MemoryItem, error) bool) {
		if agentID != "" {
			if err := s.known(ctx, agentID); err != nil {
				yield(schema.MemoryItem{}, err)
				return
			}
		}
		for after, more := int64(0), true; more; {
			var items []schema.MemoryItem
			err := s.store.View(ctx, func(r store.Reader) (err error) {
				items, after, err = r.MemoriesAfter(after, exportPage)
				return err
			})
			if err != nil {
				yield(schema.MemoryItem{}, fault.Of(s.log, "export memories", err))
				return
			}
			more = len(items) == exportPage
			for _, m := range items {
				if agentID != "" && m.AgentID != agentID || expired(m, s.now()) {
					continue
				}
				if !yield(m, nil) {
					return
				}
			}
		}
	}
}

// Imported is what came of an import.
type Imported struct {
	Kept    int       `json:"kept"`
	There   int       `json:"there"`   // that were there already
	Expired int       `json:"expired"` // that have expired, and were left out
	Bad     []BadLine `json:"bad"`     // the lines that are no memories that can be
}

// BadLine is a line that was left out, and why.
type BadLine struct {
	Line   int    `json:"line"` // from 1
	Reason string `json:"reason"`
}

// Add adds up what came of two parts.
func (i *Imported) Add(other Imported) {
	i.Kept, i.There, i.Expired = i.Kept+other.Kept, i.There+other.There, i.Expired+other.Expired
	i.Bad = append(i.Bad, other.Bad...)
}

// importLine is a line of an import: a schema.MemoryItem as Export yields it, of which only the content is needed if Importing says the rest.
type importLine struct {
	ID         string        `json:"id"`
	AgentID    string        `json:"agentId"`
	Principal  string        `json:"principal"`
	Shared     bool          `json:"shared"`
	Content    string        `json:"content"`
	Metadata   schema.Object `json:"metadata"`
	Tags       []string      `json:"tags"`
	Importance *float64      `json:"importance"`
	ExpiresAt  *time.Time    `json:"expiresAt"`
	CreatedAt  *time.Time    `json:"createdAt"`
}

var importKeys = []string{"id", "agentId", "principal", "shared", "content", "metadata", "tags", "importance", "expiresAt", "createdAt"}

// Importing says what holds for the lines that do not say it, and which line the first one is.
type Importing struct {
	AgentID   string
	Principal string
	FirstLine int // 0 = 1
}

// numbered is a memory of a line.
type numbered struct {
	schema.MemoryItem
	line int
}

// Import keeps the memories of JSON lines, one object a line, as Export yields them; empty lines do not count. A memory is known by its id,
// or, without one, by its agent, principal and content: what is there already is not kept twice, so that an import that was cut off is
// made again. A line that is wrong is told, and keeps none of the others from being kept. The error is that of r, or the store's;
// what was kept before it stays.
func (s *Memory) Import(ctx context.Context, r io.Reader, o Importing) (Imported, error) {
	out := Imported{Bad: []BadLine{}}
	lines := bufio.NewReaderSize(r, 64<<10)
	var batch []numbered
	for n := max(o.FirstLine, 1); ; n++ {
		text, whole, err := readLine(lines)
		end := errors.Is(err, io.EOF)
		if err != nil && !end {
			return out, fmt.Errorf("read line %d: %w", n, err)
		}
		if len(text) > 0 {
			m, err := s.parse(text, whole, o)
			if err != nil {
				out.Bad = append(out.Bad, BadLine{n, err.Error()})
			} else {
				batch = append(batch, numbered{m, n})
			}
		}
		if len(batch) == importBatch || end && len(batch) > 0 {
			kept, err := s.keepAll(ctx, batch)
			if err != nil {
				return out, fault.Of(s.log, "import memories", err)
			}
			out.Add(kept)
			batch = nil
		}
		if end {
			slices.SortStableFunc(out.Bad, func(a, b BadLine) int { return a.Line - b.Line })
			return out, nil
		}
	}
}

// readLine returns the next line without the space around it. Of one that is longer than maxLine it returns the beginning, not whole.
func readLine(r *bufio.Reader) (line []byte, whole bool, err error) {
	whole = true
	for {
		part, err := r.ReadSlice('\n')
		if whole = whole && len(line)+len(part) <= maxLine; whole || len(line) == 0 {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes.TrimSpace(line), whole, err
		}
	}
}

// parse reads a memory, and says what is wrong with it in words for whoever wrote the line.
func (s *Memory) parse(text []byte, whole bool, o Importing) (schema.MemoryItem, error) {
	if !whole {
		return schema.MemoryItem{}, fmt.Errorf("it is longer than %d bytes", maxLine)
	}
	l, err := decodeLine(text)
	if err != nil {
		return schema.MemoryItem{}, err
	}
	if l.AgentID == "" {
		l.AgentID = o.AgentID
	}
	if l.Principal == "" {
		l.Principal = o.Principal
	}
	if err := l.check(); err != nil {
		return schema.MemoryItem{}, err
	}
	m := schema.MemoryItem{
		ID: l.ID, AgentID: l.AgentID, Principal: l.Principal, Shared: l.Shared, Content: l.Content, Metadata: l.Metadata,
		Tags: paging.OrNone(l.Tags), Importance: schema.DefaultImportance, CreatedAt: s.now(),
	}
	if m.ID == "" {
		m.ID = idOf(m)
	}
	if l.Importance != nil {
		m.Importance = *l.Importance
	}
	if l.CreatedAt != nil {
		m.CreatedAt = l.CreatedAt.UTC().Truncate(time.Microsecond)
	}
	if l.ExpiresAt != nil {
		at := l.ExpiresAt.UTC().Truncate(time.Microsecond)
		m.ExpiresAt = &at
	}
	return m, nil
}

func decodeLine(text []byte) (l importLine, err error) {
	v, err := strictjson.Decode(text)
	var broken *strictjson.Error
	if errors.As(err, &broken) {
		return l, fmt.Errorf("column %d: %s", broken.Column, broken.Reason)
	}
	if err != nil {
		return l, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return l, errors.New("it is not a JSON object")
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if slices.Contains(importKeys, key) {
			continue
		}
		if near := problem.Nearest(key, importKeys); near != "" {
			return l, fmt.Errorf("unknown key %.80q; did you mean %q?", key, near)
		}
		return l, fmt.Errorf("unknown key %.80q; the keys are %s", key, strings.Join(importKeys, ", "))
	}
	var wrong *json.UnmarshalTypeError
	switch err := json.Unmarshal(text, &l); {
	case errors.As(err, &wrong):
		return l, fmt.Errorf("%s cannot be a %s", wrong.Field, wrong.Value)
	case err != nil:
		return l, err
	}
	return l, nil
}

// check holds a line to the bounds of the contract.
func (l importLine) check() error {
	switch {
	case l.ID != "" && !schema.ValidID(l.ID):
		return fmt.Errorf("id must be 1 to %d letters, digits or . _ ~ : - characters", schema.MaxIDBytes)
	case l.AgentID == "":
		return errors.New("agentId is missing; name the agent that all such lines are for with --agent")
	case strings.TrimSpace(l.Principal) == "":
		return errors.New("principal is missing; name the one whose such lines are with --principal")
	case len(l.Principal) > schema.MaxNameBytes || !utf8.ValidString(l.Principal):
		return fmt.Errorf("principal has more than %d bytes", schema.MaxNameBytes)
	case l.CreatedAt != nil && (!l.CreatedAt.After(time.Unix(0, 0)) || l.CreatedAt.UTC().Year() > maxCreated):
		return fmt.Errorf("createdAt must be after 1970-01-01T00:00:00Z and not after the year %d", maxCreated)
	case l.ExpiresAt != nil && l.ExpiresAt.UTC().Year() > maxExpires:
		return fmt.Errorf("expiresAt must not be after the year %d; leave it out for a memory that stays", maxExpires)
	}
	err := schema.NewMemory{
		AgentID: l.AgentID, Content: l.Content, Metadata: l.Metadata, Shared: l.Shared, Tags: l.Tags, Importance: l.Importance,
	}.Validate()
	if err == nil {
		return nil
	}
	var reasons []string
	for _, f := range schema.AsError(err).Fields {
		reasons = append(reasons, f.Location+" "+f.Message)
	}
	return errors.New(strings.Join(reasons, "; "))
}

// idOf returns an id that a memory has by what it says, so that it is the same when it is imported again.
func idOf(m schema.MemoryItem) string {
	h := sha256.New()
	for _, part := range []string{m.AgentID, m.Principal, m.Content} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return ids.Memory + hex.EncodeToString(h.Sum(nil)[:16])
}

// keepAll keeps memories in one commit.
func (s *Memory) keepAll(ctx context.Context, batch []numbered) (out Imported, err error) {
	err = s.store.Update(ctx, func(tx store.Tx) error {
		out = Imported{}
		for _, m := range batch {
			if err := s.keepOne(tx, m, &out); err != nil {
				return fmt.Errorf("line %d: %w", m.line, err)
			}
		}
		tx.OnCommit(s.index.told)
		return nil
	})
	return out, err
}

func (s *Memory) keepOne(tx store.Tx, m numbered, out *Imported) error {
	if expired(m.MemoryItem, s.now()) {
		out.Expired++
		return nil
	}
	bad := func(format string, args ...any) {
		out.Bad = append(out.Bad, BadLine{m.line, fmt.Sprintf(format, args...)})
	}
	there, err := tx.Memory(m.ID)
	switch {
	case err == nil && (there.AgentID != m.AgentID || there.Principal != m.Principal || there.Content != m.Content):
		bad("there is another memory with the id %s, which stays as it is", m.ID)
		return nil
	case err == nil:
		out.There++
		return nil
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	switch _, err := tx.Agent(m.AgentID); {
	case errors.Is(err, store.ErrNotFound):
		bad("there is no agent %q", m.AgentID)
		return nil
	case err != nil:
		return err
	}
	out.Kept++
	return tx.InsertMemory(m.MemoryItem)
}
