package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/stagehouse/stagehouse/host/usage"
	"github.com/stagehouse/stagehouse/schema"
)

// writeUsage prints a line for each group, the total, and what cannot be seen from it.
func writeUsage(w io.Writer, by string, r schema.UsageReport) error {
	if r.Total.Steps == 0 {
		_, err := fmt.Fprintln(w, "no model was asked")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, strings.ToUpper(by)+"\tSTEPS\tREAD\tCACHED\tWRITTEN\tREASONING\tCOST")
	for _, g := range r.Groups {
		writeSum(t, plainLine(g.Key), g.UsageSum, r.Currency)
	}
	writeSum(t, "total", r.Total, r.Currency)
	if err := t.Flush(); err != nil {
		return err
	}
	if r.NextCursor != "" {
		fmt.Fprintln(w, "\nThere is more, which the total counts: raise --limit, or ask for less.")
	}
	if n := r.Total.UnpricedTokens; n > 0 {
		fmt.Fprintf(w, "\n%d of the tokens have no known price, so that the cost is more than this: add it under usage.prices.\n", n)
	}
	return nil
}

func writeSum(w io.Writer, name string, s schema.UsageSum, currency string) {
	cost := "-"
	if currency != "" {
		cost = usage.Amount(s.CostMicros, currency)
	}
	if s.UnpricedTokens > 0 && currency != "" {
		cost += " +"
	}
	fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%s\n", name, s.Steps, s.InputTokens, s.CachedTokens, s.OutputTokens, s.ReasoningTokens, cost)
}

// writeBudgets prints what is used of budgets, of which there are n in all.
func writeBudgets(w io.Writer, all []usage.Standing, n int) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "there is no budget, or nobody has used any of one; they are configured under usage.budgets")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "BUDGET\tPRINCIPAL\tAGENT\tWINDOW\tTOKENS\tCOST\tAGAIN\tLEFT")
	for _, s := range all {
		left := "yes"
		if s.Spent {
			left = "no"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", orDash(s.Budget.Name), orAll(s.Principal), orAll(s.Agent), s.Budget.Window,
			ofTokens(s), ofCost(s), s.Again.Format("2006-01-02T15:04Z"), left)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if n > len(all) {
		fmt.Fprintf(w, "\n%d more have used some of theirs: raise --limit, or see --json.\n", n-len(all))
	}
	return nil
}

func orAll(s string) string {
	if s == "" {
		return "all"
	}
	return plainLine(s)
}

func ofTokens(s usage.Standing) string {
	used := strconv.FormatInt(s.Used.InputTokens+s.Used.OutputTokens, 10)
	if s.Budget.Tokens == 0 {
		return used
	}
	return fmt.Sprintf("%s of %d", used, s.Budget.Tokens)
}

func ofCost(s usage.Standing) string {
	used := usage.Amount(s.Used.CostMicros, "")
	if s.Budget.Cost == 0 {
		return used
	}
	return used + " of " + strconv.FormatFloat(s.Budget.Cost, 'f', -1, 64)
}
