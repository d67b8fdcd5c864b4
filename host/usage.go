package host

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/host/usage"
	"github.com/stagehouse/stagehouse/schema"
)

// operator is who asks on the control socket.
const operator = "host:operator"

// Usage says what models have used, for everybody. CodeUnimplemented, if the runtime does not.
func (h *Host) Usage(ctx context.Context, q schema.UsageQuery) (schema.UsageReport, error) {
	services := h.runtime.Services()
	if services.Usage == nil {
		return schema.UsageReport{}, schema.Errorf(schema.CodeUnimplemented, "the runtime of this host does not say what its models have used")
	}
	ctx = schema.WithCaller(ctx, schema.Caller{Principal: operator, Scopes: []schema.Scope{schema.ScopeAdmin}})
	return guard.New(services).Usage.Report(ctx, q)
}

// Budgets returns how much of each budget is used. CodeUnimplemented, if the runtime is no Budgeter.
func (h *Host) Budgets() ([]usage.Standing, error) {
	b, ok := h.runtime.(Budgeter)
	if !ok {
		return nil, schema.Errorf(schema.CodeUnimplemented, "the runtime of this host has no budgets that the host knows of")
	}
	return b.Budgets(), nil
}

// Usage returns what models have used, for everybody: the total, and one page of its groups.
func (c *Client) Usage(ctx context.Context, q schema.UsageQuery) (schema.UsageReport, error) {
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	query := url.Values{
		"groupBy": {string(q.GroupBy)}, "agentId": {q.AgentID}, "principal": {q.Principal}, "runId": {q.RunID},
		"limit": {strconv.Itoa(q.Limit)}, "cursor": {q.Cursor},
	}
	for name, t := range map[string]time.Time{"since": q.Since, "until": q.Until} {
		if !t.IsZero() {
			query.Set(name, t.Format(time.RFC3339Nano))
		}
	}
	var report schema.UsageReport
	err := c.ask(ctx, http.MethodGet, "/usage?"+query.Encode(), &report)
	return report, err
}

// Budgets returns how much of each budget is used.
func (c *Client) Budgets(ctx context.Context) ([]usage.Standing, error) {
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	var list budgetList
	err := c.ask(ctx, http.MethodGet, "/budgets", &list)
	return list.Budgets, err
}

// budgetList is the answer to a question for budgets.
type budgetList struct {
	Budgets []usage.Standing `json:"budgets"`
}

func (c *control) budgets(w http.ResponseWriter, _ *http.Request) {
	all, err := c.host.Budgets()
	if err != nil {
		c.refuseCall(w, err)
		return
	}
	answer(w, http.StatusOK, budgetList{all})
}

// refuseCall answers with an error of a service.
func (c *control) refuseCall(w http.ResponseWriter, err error) {
	e := schema.AsError(err)
	answer(w, e.Code.HTTPStatus(), controlProblem{Error: c.host.Scrub(e.Message)})
}

func (c *control) usage(w http.ResponseWriter, r *http.Request) {
	q, err := usageQuery(r.URL.Query())
	if err != nil {
		answer(w, http.StatusBadRequest, controlProblem{Error: err.Error()})
		return
	}
	report, err := c.host.Usage(r.Context(), q)
	if err != nil {
		c.refuseCall(w, err)
		return
	}
	answer(w, http.StatusOK, report)
}

func usageQuery(v url.Values) (schema.UsageQuery, error) {
	q := schema.UsageQuery{
		AgentID: v.Get("agentId"), Principal: v.Get("principal"), RunID: v.Get("runId"),
		GroupBy: schema.UsageGrouping(v.Get("groupBy")), Cursor: v.Get("cursor"),
	}
	var err error
	for name, t := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		if text := v.Get(name); text != "" {
			if *t, err = time.Parse(time.RFC3339Nano, text); err != nil {
				return q, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	if text := v.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil {
			return q, fmt.Errorf("limit: a number, and not %q", text)
		}
	}
	return q, nil
}
