// Command bridge is an extension that lets people talk to agents in a chat service with the Bot API of Telegram. See README.md.
package main

import (
	"context"
	"net/url"
	"slices"
	"time"

	"github.com/stagehouse/stagehouse/sdk"
)

// bridge is the block extensions.bridge of the configuration.
type bridge struct {
	URL         string  `json:"url" doc:"Of the Bot API"`
	Token       string  `json:"token" required:"true" minLength:"1" doc:"Of the bot. Write \"${env:NAME}\" or \"${file:PATH}\""`
	Agent       string  `json:"agent" doc:"Whom people talk to. Empty = whoever fits what they begin with"`
	Chats       []int64 `json:"chats" doc:"The only chats that are heard. Empty = everybody who finds the bot"`
	PollSeconds int     `json:"pollSeconds" minimum:"0" maximum:"50" doc:"How long the service may wait for a message before it answers that there is none"`
	RetryMinMs  int     `json:"retryMinMs" minimum:"1" doc:"The first pause after something has failed; the next ones double, up to a minute"`
}

// Validate says what the JSON Schema cannot.
func (x *bridge) Validate() []sdk.Problem {
	if u, err := url.Parse(x.URL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return []sdk.Problem{{
			Severity: sdk.SeverityError, Pointer: "/url", Message: "is not the URL of a Bot API", Suggestion: "leave it out for that of Telegram",
		}}
	}
	return nil
}

// Start begins to listen.
func (x *bridge) Start(_ context.Context, h *sdk.Host) error {
	k := &keeper{
		bridge: x, host: h, bot: newBot(x.URL, x.Token, time.Duration(x.PollSeconds)*time.Second), queues: map[int64][]*item{},
	}
	h.GoAlone(k.run) // a bot has one listener
	return nil
}

func (x *bridge) hears(chat int64) bool { return len(x.Chats) == 0 || slices.Contains(x.Chats, chat) }

func definition() sdk.Definition {
	return sdk.Definition{
		Name: "bridge", Version: "1.0.0", Summary: "Lets people talk to agents in Telegram",
		Requires: []string{sdk.ServiceChat, sdk.ServiceEvents},
		New: func() sdk.Extension {
			return &bridge{URL: "https://api.telegram.org", PollSeconds: 30, RetryMinMs: 1000}
		},
	}
}

func main() { sdk.Main(definition()) }
