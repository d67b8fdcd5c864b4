package guard

import (
	"context"

	"github.com/stagehouse/stagehouse/schema"
)

type usage struct{ next schema.Usage }

var _ schema.Usage = usage{}

// Report has a caller see its own usage only: it is asked for by the caller's principal, whatever the runtime would show. Somebody
// else's is a sum of nothing, as if there were none.
func (g usage) Report(ctx context.Context, q schema.UsageQuery) (schema.UsageReport, error) {
	c, err := reader(ctx)
	if err != nil {
		return schema.UsageReport{}, err
	}
	if err := q.Validate(); err != nil {
		return schema.UsageReport{}, err
	}
	if !c.Can(schema.ScopeAdmin) {
		if q.Principal != "" && q.Principal != c.Principal {
			return schema.UsageReport{Groups: []schema.UsageGroup{}}, nil
		}
		q.Principal = c.Principal
	}
	q.Limit = bounded(q.Limit)
	return g.next.Report(ctx, q)
}
