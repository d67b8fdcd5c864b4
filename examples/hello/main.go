// Command hello is a whole extension: it serves HTTP at an address of its own and greets the agents of its host.
package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/stagehouse/stagehouse/sdk"
)

type hello struct {
	Address  string `json:"address" doc:"Where to listen"`
	Greeting string `json:"greeting" doc:"How to greet"`
}

func (x *hello) Start(ctx context.Context, h *sdk.Host) error {
	return h.ListenAndServe(ctx, x.Address, sdk.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		page, err := h.Agents.List(h.Self(r.Context(), sdk.ScopeRead), sdk.AgentQuery{})
		for _, a := range page.Agents {
			fmt.Fprintf(w, "%s, %s!\n", x.Greeting, a.Name)
		}
		return err
	}))
}

func main() {
	fresh := func() sdk.Extension { return &hello{Address: "127.0.0.1:3002", Greeting: "Hello"} }
	sdk.Main(sdk.Definition{Name: "hello", Version: "1.0.0", Requires: []string{sdk.ServiceAgents}, New: fresh})
}
