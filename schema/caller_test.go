package schema_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
)

func TestCallerCan(t *testing.T) {
	for _, c := range []struct {
		have []schema.Scope
		can  []schema.Scope
	}{
		{nil, nil},
		{[]schema.Scope{"other"}, nil},
		{[]schema.Scope{schema.ScopeRead}, []schema.Scope{schema.ScopeRead}},
		{[]schema.Scope{schema.ScopeChat}, []schema.Scope{schema.ScopeRead, schema.ScopeChat}},
		{[]schema.Scope{schema.ScopeAdmin}, schema.Scopes()},
		{[]schema.Scope{"other", schema.ScopeRead, schema.ScopeChat}, []schema.Scope{schema.ScopeRead, schema.ScopeChat}},
	} {
		caller := schema.Caller{Principal: "p", Scopes: c.have}
		for _, s := range append(schema.Scopes(), "other", "") {
			if got, want := caller.Can(s), slices.Contains(c.can, s); got != want {
				t.Errorf("%v can %q: %v, want %v", c.have, s, got, want)
			}
		}
	}
}

func TestCallerMaySee(t *testing.T) {
	reader := schema.Caller{Principal: "alice", Scopes: []schema.Scope{schema.ScopeRead}}
	admin := schema.Caller{Principal: "root", Scopes: []schema.Scope{schema.ScopeAdmin}}
	for _, c := range []struct {
		caller schema.Caller
		owner  string
		want   bool
	}{
		{reader, "alice", true}, {reader, "", true}, {reader, "bob", false}, {reader, "Alice", false},
		{admin, "bob", true}, {admin, "", true},
		{schema.Caller{}, "", false}, {schema.Caller{Principal: "alice"}, "alice", false},
	} {
		if got := c.caller.MaySee(c.owner); got != c.want {
			t.Errorf("%+v may see what is %q's: %v", c.caller, c.owner, got)
		}
	}
}

func TestCallerContext(t *testing.T) {
	if c := schema.CallerFrom(context.Background()); c.Principal != "" || c.Can(schema.ScopeRead) {
		t.Errorf("without a caller: %+v", c)
	}
	ctx := schema.WithCaller(context.Background(), schema.Caller{Principal: "outer"})
	ctx = schema.WithCaller(ctx, schema.Caller{Principal: "inner"})
	if c := schema.CallerFrom(ctx); c.Principal != "inner" {
		t.Errorf("the inner caller is %+v", c)
	}
}

func TestServicesNames(t *testing.T) {
	if names := (schema.Services{}).Names(); len(names) != 0 {
		t.Errorf("nothing is offered, and the names are %v", names)
	}
	type chat struct{ schema.Chat }
	type agents struct{ schema.Agents }
	type memory struct{ schema.Memory }
	type events struct{ schema.Events }
	type usage struct{ schema.Usage }
	type identity struct{ schema.Identity }
	all := schema.Services{Agents: agents{}, Chat: chat{}, Memory: memory{}, Events: events{}, Usage: usage{}, Identity: identity{}}
	if names := all.Names(); !slices.Equal(names, schema.ServiceNames()) {
		t.Errorf("names are %v, want %v", names, schema.ServiceNames())
	}
	for _, name := range schema.ServiceNames() {
		if got := all.Only([]string{name, "unknown"}).Names(); !slices.Equal(got, []string{name}) {
			t.Errorf("only %s: %v", name, got)
		}
	}
}
