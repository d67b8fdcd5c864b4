package hosttest_test

import (
	"context"
	"slices"

	"github.com/stagehouse/stagehouse/schema"
)

func inUsage() map[string]service {
	report := func(change func(q *schema.UsageQuery, r *schema.UsageReport)) func(*broken, schema.Services) {
		return func(b *broken, s schema.Services) {
			b.usage = func(ctx context.Context, q schema.UsageQuery) (schema.UsageReport, error) {
				change(&q, new(schema.UsageReport))
				r, err := s.Usage.Report(ctx, q)
				change(new(schema.UsageQuery), &r)
				return r, err
			}
		}
	}
	query := func(change func(q *schema.UsageQuery)) func(*broken, schema.Services) {
		return report(func(q *schema.UsageQuery, _ *schema.UsageReport) { change(q) })
	}
	return map[string]service{
		"a group is left out":    {"usage/adds-up", report(func(_ *schema.UsageQuery, r *schema.UsageReport) { r.Groups = r.Groups[:max(0, len(r.Groups)-1)] })},
		"groups are in no order": {"usage/adds-up", report(func(_ *schema.UsageQuery, r *schema.UsageReport) { slices.Reverse(r.Groups) })},
		"groups are by run, whatever is asked": {"usage/adds-up", query(func(q *schema.UsageQuery) {
			if q.GroupBy != "" {
				q.GroupBy = schema.UsageByRun
			}
		})},
		"the total is that of the page": {"usage/pages", func(b *broken, s schema.Services) {
			b.usage = func(ctx context.Context, q schema.UsageQuery) (schema.UsageReport, error) {
				r, err := s.Usage.Report(ctx, q)
				if q.Limit > 0 && len(r.Groups) > 0 {
					r.Total = r.Groups[0].UsageSum
				}
				return r, err
			}
		}},
		"the first page of groups ends":     {"usage/pages", report(func(_ *schema.UsageQuery, r *schema.UsageReport) { r.NextCursor = "" })},
		"no groups are null":                {"usage/isolation", report(func(_ *schema.UsageQuery, r *schema.UsageReport) { r.Groups = nil })},
		"usage of any run is that of all":   {"usage/of-a-run usage/selects", query(func(q *schema.UsageQuery) { q.RunID = "" })},
		"usage of any agent is that of all": {"usage/selects", query(func(q *schema.UsageQuery) { q.AgentID = "" })},
		"usage of any time is that of all":  {"usage/selects", query(func(q *schema.UsageQuery) { q.Since, q.Until = q.Until, q.Since })},
		"a run says nothing of what it used": {"usage/of-a-run", func(b *broken, s schema.Services) {
			b.chat.run = func(ctx context.Context, id string) (schema.Run, error) {
				r, err := s.Chat.Run(ctx, id)
				r.Usage = nil
				return r, err
			}
		}},
		"usage goes with its conversation": {"usage/outlives-its-conversation", func(b *broken, s schema.Services) {
			gone := false
			b.chat.delete = func(ctx context.Context, id string, rev int64) error {
				gone = true
				return s.Chat.DeleteConversation(ctx, id, rev)
			}
			b.usage = func(ctx context.Context, q schema.UsageQuery) (schema.UsageReport, error) {
				r, err := s.Usage.Report(ctx, q)
				if gone {
					r.Total = schema.UsageSum{}
				}
				return r, err
			}
		}},
		"usage is everybody's": {"usage/isolation", func(b *broken, s schema.Services) {
			b.usage = func(ctx context.Context, q schema.UsageQuery) (schema.UsageReport, error) {
				return s.Usage.Report(asRoot(ctx), q)
			}
		}},
	}
}
