package plugin

import (
	"testing"

	"github.com/stagehouse/stagehouse/plugin/process"
)

func TestWhenOpenFilesAreNews(t *testing.T) {
	type look struct {
		open uint64
		news bool
	}
	for name, c := range map[string]struct {
		limit uint64
		looks []look
	}{
		"the limit comes near":    {1000, []look{{10, false}, {799, false}, {800, true}, {900, false}, {1000, false}}},
		"and near again":          {1000, []look{{900, true}, {700, false}, {900, false}, {499, false}, {950, true}}},
		"every doubling":          {1 << 20, []look{{4095, false}, {4096, true}, {8191, false}, {8192, true}, {4096, false}, {8192, false}, {20000, true}}},
		"no limit":                {0, []look{{1000, false}, {5000, true}, {9999, false}, {10000, true}}},
		"a limit that is so high": {1 << 30, []look{{4000, false}, {5000, true}}},
		"it does not tell":        {0, []look{{0, false}}},
	} {
		var g fileGauge
		for i, l := range c.looks {
			if news := g.tell(process.Files{Open: l.open, Limit: c.limit}); news != l.news {
				t.Errorf("%s: look %d at %d of %d is news: %v", name, i, l.open, c.limit, news)
			}
		}
	}
}
