package memories

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// Defaults of an Embedder.
const (
	DefaultMinSimilarity = 0.25
	DefaultBatch         = 32
	DefaultPerMinute     = 3000
)

// Embedder says which model turns memories into vectors, so that they are found by what they mean.
type Embedder struct {
	Provider string `json:"provider"` // a brain that embeds; see schema.Brains.Embed
	Model    string `json:"model"`    // as the provider calls it
	// MinSimilarity is the cosine, 0 to 1, below which a memory is not near to a question; what unrelated texts have differs
	// from model to model. nil = DefaultMinSimilarity
	MinSimilarity *float64 `json:"minSimilarity,omitempty"`
	Batch         int      `json:"batch,omitempty"`     // texts that are embedded at once; 0 = DefaultBatch
	PerMinute     int      `json:"perMinute,omitempty"` // texts that are embedded in a minute in the background; 0 = DefaultPerMinute
}

func (e Embedder) minSimilarity() float64 {
	if e.MinSimilarity == nil {
		return DefaultMinSimilarity
	}
	return *e.MinSimilarity
}

func (e Embedder) batch() int {
	return min(max(cmp.Or(e.Batch, DefaultBatch), 1), schema.MaxEmbedTexts)
}

// pace returns how long the background takes for a number of texts, at least.
func (e Embedder) pace(texts int) time.Duration {
	return time.Duration(texts) * time.Minute / time.Duration(max(cmp.Or(e.PerMinute, DefaultPerMinute), 1))
}

// space is the name of a store.Space: a model of a provider, and which time it is that the memories are embedded by it.
type space struct {
	Provider, Model string
	Edition         int // from 1
}

// String returns "provider/model", and after the first edition "provider/model#edition".
func (s space) String() string {
	name := s.Provider + "/" + s.Model
	if s.Edition > 1 {
		name += "#" + strconv.Itoa(s.Edition)
	}
	return name
}

// parseSpace reads what String has written. The name of a provider has no slash.
func parseSpace(name string) space {
	s := space{Edition: 1}
	s.Provider, s.Model, _ = strings.Cut(name, "/")
	if i := strings.LastIndexByte(s.Model, '#'); i >= 0 {
		if n, err := strconv.Atoi(s.Model[i+1:]); err == nil && n > 1 {
			s.Model, s.Edition = s.Model[:i], n
		}
	}
	return s
}

// searched is a space in which there are vectors.
type searched struct {
	space
	dimensions, placed int
}

// plan says where vectors go and where they are looked for.
type plan struct {
	target space      // where memories are to have vectors
	search []searched // where they have some, most first: at most two, and one of two is the target
}

// planFor returns the plan for an embedder. While the memories get vectors of another model, or new ones of the same, they are
// found by the old ones, too.
func planFor(e Embedder, spaces []store.Space) plan {
	p := plan{target: space{e.Provider, e.Model, 1}}
	for _, s := range spaces {
		name := parseSpace(s.Name)
		if name.Provider == e.Provider && name.Model == e.Model {
			p.target.Edition = max(p.target.Edition, name.Edition)
		}
		if s.Dimensions > 0 {
			p.search = append(p.search, searched{name, s.Dimensions, s.Placed})
		}
	}
	slices.SortStableFunc(p.search, func(a, b searched) int {
		switch {
		case a.placed != b.placed:
			return cmp.Compare(b.placed, a.placed)
		case a.space == p.target:
			return -1
		case b.space == p.target:
			return 1
		}
		return 0
	})
	switch at := slices.IndexFunc(p.search, func(s searched) bool { return s.space == p.target }); {
	case at > 1:
		p.search[1] = p.search[at]
	case at < 0 && len(p.search) > 1:
		p.search = p.search[:1]
	}
	p.search = p.search[:min(len(p.search), 2)]
	return p
}
