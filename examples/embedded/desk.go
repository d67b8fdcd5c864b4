package main

import (
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/stagehouse/stagehouse/extension/api"
	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// closeTimeout bounds the drain of the extensions and of the clerks.
const closeTimeout = 15 * time.Second

// DeskConfig is the part of the shop's configuration that is about the desk.
type DeskConfig struct {
	Data string          // a directory of its own, for locks and sockets
	Port int             // of the API; 0 = any free one
	Keys map[string]bool // of those who may talk to clerks; true = may do everything
}

// OpenDesk puts the clerks behind an API. What it starts ends with the host's Close, or when it returns an error.
func OpenDesk(ctx context.Context, log *slog.Logger, c DeskConfig, clerks map[string]Clerk) (*host.Host, error) {
	cfg, err := c.host(ctx, log)
	if err != nil {
		return nil, err
	}
	data, err := host.OpenDataDir(cfg.Data)
	if err != nil {
		return nil, err
	}
	runtime, err := OpenClerks(ctx, log, clerks)
	if err != nil {
		return nil, errors.Join(err, data.Close())
	}
	h := host.New(cfg, data, runtime, host.WithLogger(log), host.WithIdentity(keys(c.Keys)))
	if err := h.Start(ctx); err != nil {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		return nil, errors.Join(err, h.Close(closing))
	}
	return h, nil
}

// host returns what the host is told: Go values, checked as a file would be, and nothing of the environment.
func (c DeskConfig) host(ctx context.Context, log *slog.Logger) (*config.Config, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	loader := config.Loader{
		BuiltIns: map[string]config.Command{"api": {Path: self, Args: []string{"extension"}, BuiltIn: true}},
		Check:    host.Check,
	}
	block := api.DefaultConfig()
	block.Port = c.Port
	cfg, problems, err := loader.Load(ctx, config.Sources{Values: map[string]any{
		"data":       c.Data,
		"extensions": map[string]any{"api": block},
	}})
	if err != nil {
		return nil, err
	}
	for _, p := range problems {
		log.Warn(p.Message, "at", p.Pointer, "remedy", p.Suggestion)
	}
	if problem.Fatal(problems) {
		return nil, errors.New("the configuration of the desk has errors")
	}
	return cfg, nil
}

// keys is how the shop knows people. It implements schema.Identity.
type keys map[string]bool

// Authenticate returns who has a key.
func (k keys) Authenticate(_ context.Context, token string) (schema.Caller, error) {
	for key, everything := range k {
		switch {
		case subtle.ConstantTimeCompare([]byte(token), []byte(key)) != 1:
		case everything:
			return schema.Caller{Principal: "owner", Scopes: []schema.Scope{schema.ScopeAdmin}}, nil
		default:
			return schema.Caller{Principal: "customer", Scopes: []schema.Scope{schema.ScopeChat}}, nil
		}
	}
	return schema.Caller{}, schema.Errorf(schema.CodeUnauthenticated, "the shop does not know that key")
}
