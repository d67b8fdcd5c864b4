package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/schema"
)

// usageFlags select what "usage" reports.
type usageFlags struct {
	by, agent, principal, run, since, until string

	limit           int
	budgets, asJSON bool
}

func (p *Program) usageCommand(common *commonFlags) *cobra.Command {
	var f usageFlags
	c := &cobra.Command{
		Use:   "usage",
		Short: "Say what models have used, what that has cost, and how much of the budgets is left",
		Long: `usage asks the host that runs at --data on this machine, as the same user, for the tokens that models have read and
written, and for what they have cost by the prices of the configuration. It is counted for whole steps of a model,
and kept when runs, conversations and agents are deleted.

--since and --until take a day of UTC (2026-11-01), a time (2026-11-01T08:00:00Z), or how long ago (24h, 7d).

Exit codes: 0 done, 1 the host could not do it, 2 it was not asked (usage, no host at --data).`,
		Example: `  stagehouse usage
  stagehouse usage --by agent --since 7d
  stagehouse usage --by day --principal alice --json
  stagehouse usage --budgets`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := f.query(time.Now())
			if err != nil {
				return err
			}
			return p.withHost(cmd.Context(), common, func(ctx context.Context, c *host.Client) error {
				if f.budgets {
					return f.showBudgets(ctx, cmd, c)
				}
				return f.show(ctx, cmd, c, q)
			})
		},
	}
	c.Flags().StringVar(&f.by, "by", string(schema.UsageByModel), "what a line is for: "+groupings())
	c.Flags().StringVar(&f.agent, "agent", "", "only what this agent has used")
	c.Flags().StringVar(&f.principal, "principal", "", "only what was used for this principal")
	c.Flags().StringVar(&f.run, "run", "", "only what was used for this run")
	c.Flags().StringVar(&f.since, "since", "", "only what was used then or later")
	c.Flags().StringVar(&f.until, "until", "", "only what was used before")
	c.Flags().IntVarP(&f.limit, "limit", "n", 50, "how many lines, up to 200")
	c.Flags().BoolVar(&f.budgets, "budgets", false, "show the budgets, and what is used of them")
	c.Flags().BoolVar(&f.asJSON, "json", false, "print as JSON")
	return c
}

func groupings() string {
	var all []string
	for _, g := range schema.UsageGroupings() {
		all = append(all, string(g))
	}
	return strings.Join(all, ", ")
}

// query returns what the flags ask for.
func (f *usageFlags) query(now time.Time) (schema.UsageQuery, error) {
	q := schema.UsageQuery{AgentID: f.agent, Principal: f.principal, RunID: f.run, GroupBy: schema.UsageGrouping(f.by), Limit: f.limit}
	if !slices.Contains(schema.UsageGroupings(), q.GroupBy) {
		return q, fmt.Errorf("usage: --by is one of %s, and not %q", groupings(), f.by)
	}
	if f.limit < 1 || f.limit > schema.MaxPageSize {
		return q, fmt.Errorf("usage: --limit is a number from 1 to %d, and not %d", schema.MaxPageSize, f.limit)
	}
	for _, t := range []struct {
		flag, text string
		into       *time.Time
	}{{"since", f.since, &q.Since}, {"until", f.until, &q.Until}} {
		var err error
		if *t.into, err = moment(t.text, now); err != nil {
			return q, fmt.Errorf("usage: --%s %q: write a day (2026-11-01), a time (2026-11-01T08:00:00Z), or how long ago (24h, 7d)", t.flag, t.text)
		}
	}
	if !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until) {
		return q, fmt.Errorf("usage: --until %s is not after --since %s", f.until, f.since)
	}
	return q, nil
}

// moment reads a day, a time, or how long before now it was; "" is the zero time.
func moment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		if _, err := fmt.Sscanf(days+" ", "%d ", &n); err == nil && fmt.Sprint(n) == days && n >= 0 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	d, err := time.ParseDuration(text)
	if err == nil && d < 0 {
		err = fmt.Errorf("%s is in the future", text)
	}
	return now.Add(-d), err
}

func (f *usageFlags) show(ctx context.Context, cmd *cobra.Command, c *host.Client, q schema.UsageQuery) error {
	report, err := c.Usage(ctx, q)
	if err != nil {
		return err
	}
	if f.asJSON {
		return writeJSON(cmd.OutOrStdout(), report)
	}
	return writeUsage(cmd.OutOrStdout(), f.by, report)
}

func (f *usageFlags) showBudgets(ctx context.Context, cmd *cobra.Command, c *host.Client) error {
	all, err := c.Budgets(ctx)
	if err != nil {
		return err
	}
	if f.asJSON {
		return writeJSON(cmd.OutOrStdout(), map[string]any{"budgets": all})
	}
	return writeBudgets(cmd.OutOrStdout(), all[:min(f.limit, len(all))], len(all))
}
