package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/host/token"
	"github.com/stagehouse/stagehouse/schema"
)

func (p *Program) tokenCommand(common *commonFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "token",
		Short: "Show, create and revoke the tokens that clients use",
		Long: `Clients of the API authenticate with a bearer token. The admin token is made at the first start.
Tokens can be created and revoked while the host runs; it takes effect within a second.

Scopes: read   look at agents, own conversations, memories and events
        chat   read, and talk to agents, store and delete own memories
        admin  chat, and create, change, start, stop and delete agents, and see everybody's things`,
	}
	// A misspelt --data must not make tokens that no host knows, nor say that one is revoked.
	open := func() (*token.Store, error) {
		dir := p.dataDir(common)
		if !host.IsDataDir(dir) {
			return nil, fmt.Errorf("%s is not a data directory: the first \"stagehouse run\" makes it; is --data right?", dir)
		}
		return token.Open(dir), nil
	}
	return group(c, p.tokenShow(common), p.tokenCreate(open), p.tokenList(open), p.tokenRevoke(open))
}

// openTokens returns the tokens of the data directory, if it is one.
type openTokens func() (*token.Store, error)

func (p *Program) tokenShow(common *commonFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "show",
		Short:   "Print the admin token",
		Example: `  curl -H "Authorization: Bearer $(stagehouse token show)" http://127.0.0.1:3001/api/agents`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			store := token.Open(p.dataDir(common))
			t, err := store.Admin()
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("there is no admin token at %s yet: the first \"stagehouse run\" makes it; is --data right?", store.AdminPath())
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), t)
			return err
		},
	}
}

func (p *Program) tokenCreate(open openTokens) *cobra.Command {
	var scopes []string
	var principal string
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a token and print it, once",
		Long: `create prints a new token. Only its digest is kept, so it cannot be shown again.
Conversations and memories belong to the principal, which is the name unless --principal says
otherwise: two tokens of one principal see the same things.`,
		Example: "  stagehouse token create alice --scopes chat\n  stagehouse token create dashboard --scopes read --principal alice",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			list := make([]schema.Scope, len(scopes))
			for i, s := range scopes {
				list[i] = schema.Scope(strings.TrimSpace(s))
			}
			store, err := open()
			if err != nil {
				return err
			}
			t, _, err := store.Create(args[0], principal, list)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), t)
			return err
		},
	}
	c.Flags().StringSliceVar(&scopes, "scopes", []string{string(schema.ScopeChat)}, "what it may do: read, chat, admin")
	c.Flags().StringVar(&principal, "principal", "", "whose conversations and memories it sees (default NAME)")
	return c
}

func (p *Program) tokenList(open openTokens) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the tokens, without revealing them",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			store, err := open()
			if err != nil {
				return err
			}
			infos, err := store.List()
			if err != nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(c.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(map[string]any{"tokens": infos})
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tPRINCIPAL\tSCOPES\tCREATED")
			for _, i := range infos {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", i.Name, i.Principal, token.ScopeNames(i.Scopes), i.CreatedAt.Format("2006-01-02 15:04:05Z"))
			}
			return w.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return c
}

func (p *Program) tokenRevoke(open openTokens) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke NAME",
		Short: "Make a token stop working; for admin, replace it by a new one",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			store, err := open()
			if err != nil {
				return err
			}
			if args[0] == token.AdminPrincipal {
				if _, err := store.RotateAdmin(); err != nil {
					return err
				}
				_, err := fmt.Fprintf(c.OutOrStdout(), "the admin token was replaced; the new one is in %s\n", store.AdminPath())
				return err
			}
			if err := store.Revoke(args[0]); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s no longer works\n", args[0])
			return err
		},
	}
}
