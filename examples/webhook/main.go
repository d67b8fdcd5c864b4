// Command webhook is an extension that delivers what happens to agents to an HTTP endpoint: signed, in order, at least once, and
// going on where it was after any restart. See README.md.
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/stagehouse/stagehouse/sdk"
)

// webhook is the block extensions.webhook of the configuration.
type webhook struct {
	URL         string   `json:"url" required:"true" doc:"Where events are posted to"`
	Secret      string   `json:"secret" required:"true" doc:"What they are signed with: whsec_ and 24 to 64 bytes in base64. Write \"${env:NAME}\" or \"${file:PATH}\""`
	Types       []string `json:"types" doc:"Which events: types such as chat:reply, or families such as agent:*. Empty = all but chat:delta"`
	Agents      []string `json:"agents" doc:"Only what is about these agents. Empty = everything"`
	Concurrency int      `json:"concurrency" minimum:"1" maximum:"64" doc:"How many requests may be under way. What is about one agent is always in order"`
	MaxAttempts int      `json:"maxAttempts" minimum:"1" maximum:"1000" doc:"After so many an event becomes a dead letter"`
	TimeoutMs   int      `json:"timeoutMs" minimum:"1" maximum:"300000" doc:"Of one request"`
	RetryMinMs  int      `json:"retryMinMs" minimum:"1" doc:"The first pause before another attempt; the next ones double"`
	RetryMaxMs  int      `json:"retryMaxMs" minimum:"1" doc:"The longest one, unless the endpoint asks for more by Retry-After"`

	transport http.RoundTripper // nil = http.DefaultTransport
	delivery  *delivery         // once it is started
}

// Validate says what the JSON Schema cannot.
func (x *webhook) Validate() []sdk.Problem {
	var problems []sdk.Problem
	wrong := func(at, message, suggestion string) {
		problems = append(problems, sdk.Problem{Severity: sdk.SeverityError, Pointer: at, Message: message, Suggestion: suggestion})
	}
	if u, err := url.Parse(x.URL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		wrong("/url", "is not the URL of an HTTP endpoint", "use one such as https://example.com/hooks")
	}
	if _, err := parseSecret(x.Secret); err != nil {
		wrong("/secret", err.Error(), `make one with: echo "whsec_$(openssl rand -base64 32)"`)
	}
	if x.RetryMaxMs < x.RetryMinMs {
		wrong("/retryMaxMs", "is less than retryMinMs", "raise it")
	}
	return problems
}

// Start begins with what happens from now on, or where an earlier generation has left off.
func (x *webhook) Start(ctx context.Context, h *sdk.Host) error {
	now, err := h.Events.Head(h.Self(ctx, sdk.ScopeAdmin))
	if err != nil {
		return err
	}
	x.delivery = &delivery{host: h, begin: now, client: x.client(), lanes: x.Concurrency}
	if err := x.delivery.use(x); err != nil {
		return err
	}
	h.GoAlone(x.delivery.run) // two generations must not both deliver
	return nil
}

// Reload has another block count at once. What could not be delivered yet is tried again now, and no attempt is forgotten.
func (x *webhook) Reload(_ context.Context, next sdk.Extension) error {
	n := next.(*webhook)
	if n.Concurrency != x.Concurrency { // in each lane there are events that wait
		return fmt.Errorf("concurrency: %w", sdk.ErrDeclined)
	}
	return x.delivery.use(n)
}

// Metrics is what an operator sees.
func (x *webhook) Metrics() map[string]float64 {
	return map[string]float64{
		"delivered_events_total": float64(x.delivery.delivered.Load()), "failed_attempts_total": float64(x.delivery.failed.Load()),
		"dead_events_total": float64(x.delivery.dead.Load()), "waiting_events": float64(x.delivery.waiting.Load()),
	}
}

// wants reports whether an event is to be delivered. That something is missing always is.
func (x *webhook) wants(e sdk.Event) bool {
	if e.Type == sdk.EventGap {
		return true
	}
	return x.wantsAgent(e.AgentID) && x.wantsType(string(e.Type))
}

func (x *webhook) wantsAgent(id string) bool {
	for _, a := range x.Agents {
		if a == id {
			return true
		}
	}
	return len(x.Agents) == 0
}

func (x *webhook) wantsType(name string) bool {
	family, _, _ := strings.Cut(name, ":")
	for _, t := range x.Types {
		if t == name || t == family+":*" || t == "*" {
			return true
		}
	}
	return len(x.Types) == 0 && name != "chat:delta"
}

func definition() sdk.Definition {
	return sdk.Definition{
		Name: "webhook", Version: "1.0.0", Summary: "Delivers events to an HTTP endpoint", Requires: []string{sdk.ServiceEvents},
		New: func() sdk.Extension {
			return &webhook{Concurrency: 4, MaxAttempts: 16, TimeoutMs: 15_000, RetryMinMs: 1000, RetryMaxMs: 3_600_000}
		},
	}
}

func main() { sdk.Main(definition()) }
