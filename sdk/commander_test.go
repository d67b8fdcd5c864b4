package sdk_test

import (
	"context"
	"errors"
	"math"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
)

// commander is an extension with commands that do what a test asks for.
type commander struct {
	host  *sdk.Host
	asked atomic.Int64 // which generation it is
}

type holdInput struct {
	Begun string `json:"begun" required:"true" minLength:"1"` // a file that is made when it has begun
	Until string `json:"until" required:"true" minLength:"1"` // a file that it waits for
}

type whichOutput struct {
	Generation uint64 `json:"generation"`
	Principal  string `json:"principal"`
}

type faultInput struct {
	Fault string `json:"fault" enum:"panic,exit,missing,stale,large,plain" required:"true"`
}

type faultOutput struct {
	Text string `json:"text"`
}

type none struct{}

func (x *commander) Start(_ context.Context, h *sdk.Host) error {
	x.host = h
	return nil
}

func (x *commander) Commands() []sdk.Command {
	return []sdk.Command{
		sdk.NewCommand("hold", "Waits.", x.hold),
		sdk.NewCommand("which", "Tells which generation it is.", x.which),
		sdk.NewCommand("fault", "Does something wrong.", x.fault),
		sdk.NewCommand("slow", "Takes too long.", x.slow, sdk.TakesUpTo(50*time.Millisecond)),
		sdk.NewCommand("rule", "Is for admins.", x.which, sdk.NeedsScope(sdk.ScopeAdmin)),
	}
}

func (x *commander) which(ctx context.Context, _ sdk.CommandCall, _ none) (whichOutput, error) {
	x.asked.Add(1)
	return whichOutput{x.host.Generation, schema.CallerFrom(ctx).Principal}, nil
}

func (x *commander) hold(ctx context.Context, c sdk.CommandCall, in holdInput) (whichOutput, error) {
	if err := os.WriteFile(in.Begun, nil, 0o600); err != nil {
		return whichOutput{}, err
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(in.Until); err == nil {
			return x.which(ctx, c, none{})
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return whichOutput{}, ctx.Err()
		}
	}
}

func (x *commander) slow(ctx context.Context, _ sdk.CommandCall, _ none) (none, error) {
	<-ctx.Done()
	return none{}, ctx.Err()
}

func (x *commander) fault(_ context.Context, _ sdk.CommandCall, in faultInput) (faultOutput, error) {
	switch in.Fault {
	case "panic":
		panic("on purpose")
	case "exit":
		os.Exit(9)
	case "missing":
		return faultOutput{}, schema.Errorf(schema.CodeNotFound, "there is no such thing")
	case "stale":
		return faultOutput{}, schema.Errorf(schema.CodeRevisionMismatch, "somebody was quicker")
	case "large":
		return faultOutput{Text: strings.Repeat("x", schema.MaxObjectBytes)}, nil
	}
	return faultOutput{}, errors.New("just so")
}

func commanderDefinition() sdk.Definition {
	return sdk.Definition{Name: "commander", Version: "1", New: func() sdk.Extension { return &commander{} }}
}

// Metrics counts the calls of which, and says things that cannot be counted.
func (x *commander) Metrics() map[string]float64 {
	return map[string]float64{"which_total": float64(x.asked.Load()), "bad name": 1, "nothing": math.NaN()}
}
