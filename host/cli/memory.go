package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/host/memories"
)

// How an import is cut into parts, each of which is a request.
const (
	importPart     = 4 << 20 // bytes, at which a part ends
	importLines    = 1000    // lines of a part, at most
	maxImportLine  = 1 << 20 // bytes; a longer line is no memory that can be
	maxBadReported = 100     // lines that are wrong and are printed
)

func (p *Program) memoryCommand(common *commonFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "memory",
		Short: "See how memories are found, and export and import them",
		Long: `memory speaks to the host that runs at --data on this machine, as the same user.

Memories are found by their words. With a model configured in memory.embedder they are found by what they mean, too:
the host embeds them in the background, and goes on where it was when it is started again.

Exit codes: 0 done, 1 the host could not do it or some lines were wrong, 2 it was not asked (usage, no host at --data).`,
		Example: `  stagehouse memory status
  stagehouse memory reindex
  stagehouse memory export --agent nyx > nyx.jsonl
  stagehouse memory import nyx.jsonl`,
	}
	return group(c, p.memoryStatus(common), p.memoryReindex(common), p.memoryExport(common), p.memoryImport(common))
}

// withMemories is withHost for these commands: what goes on without them is said in goesOn, and no name is one of an extension.
func (p *Program) withMemories(ctx context.Context, common *commonFlags, goesOn string, f func(ctx context.Context, c *host.Client) error) error {
	interrupted := false
	err := p.withHost(ctx, common, func(ctx context.Context, c *host.Client) error {
		err := f(ctx, c)
		var refused *host.RefusedError
		switch {
		case err != nil && ctx.Err() != nil:
			interrupted = true
		case errors.As(err, &refused) && refused.Status == http.StatusNotFound:
			return failure{errors.New(refused.Message)}
		}
		return err
	})
	if interrupted {
		return failure{errors.New("interrupted; " + goesOn)}
	}
	return err
}

func (p *Program) memoryStatus(common *commonFlags) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show by what memories are found, and how many are embedded",
		Long: `status shows which model embeds memories and how far it is.

States: off      no model is configured: memories are found by their words
        working  memories are being embedded; they are found by their words, or as the model before finds them
        waiting  that failed, and is tried again
        ready    every memory is embedded that can be`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withMemories(cmd.Context(), common, "nothing was changed", func(ctx context.Context, c *host.Client) error {
				x, err := c.MemoryIndex(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), x)
				}
				return writeIndex(cmd.OutOrStdout(), x)
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return c
}

func (p *Program) memoryReindex(common *commonFlags) *cobra.Command {
	var anew, noWait bool
	c := &cobra.Command{
		Use:   "reindex",
		Short: "Embed the memories that are not, and follow how far that is",
		Long: `reindex has the host embed what is not embedded, at once if it was waiting after a failure, and follows that until it is
done. The host embeds without it, too; ctrl-C ends only the following.

With --all every memory is embedded again. Searches go by the vectors that there are until the last memory has its new one.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withMemories(cmd.Context(), common, "the host goes on embedding without this command", func(ctx context.Context, c *host.Client) error {
				x, err := c.Reindex(ctx, anew)
				if err != nil || noWait {
					return err
				}
				b := progress{out: p.Stderr, redraw: isTerminal(p.Stderr), now: time.Now}
				if x, err = follow(ctx, c, x, &b); err != nil {
					return err
				}
				return writeIndex(cmd.OutOrStdout(), x)
			})
		},
	}
	c.Flags().BoolVar(&anew, "all", false, "embed every memory again")
	c.Flags().BoolVar(&noWait, "no-wait", false, "do not follow it")
	return c
}

func (p *Program) memoryExport(common *commonFlags) *cobra.Command {
	var agent string
	c := &cobra.Command{
		Use:   "export",
		Short: "Print memories as JSON lines",
		Long: `export prints what agents remember, whomever it is of, one JSON object a line, oldest first. It is what import reads.
Vectors are not part of it: where it is imported, they are made anew.`,
		Example: "  stagehouse memory export > all.jsonl\n  stagehouse memory export --agent nyx > nyx.jsonl",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withMemories(cmd.Context(), common, "the export is not whole", func(ctx context.Context, c *host.Client) error {
				return c.ExportMemories(ctx, agent, cmd.OutOrStdout())
			})
		},
	}
	c.Flags().StringVar(&agent, "agent", "", "only of this agent")
	return c
}

func (p *Program) memoryImport(common *commonFlags) *cobra.Command {
	var o memories.Importing
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Keep memories of JSON lines",
		Long: `import keeps the memories of a file of JSON lines, "-" = standard input, as export prints them. What is there already is
not kept twice, so that an import can be made again, also one that was interrupted.

A line that is wrong is left out and reported with its number and the reason; all others are kept. The exit code is 1 then.

Of the keys only content is needed: {"content": "The door code is in the safe", "shared": true} is a memory of the agent
and the principal that the flags name. The others are id, metadata, tags, importance (0 to 1), expiresAt and createdAt.`,
		Example: "  stagehouse memory import nyx.jsonl\n  stagehouse memory import facts.jsonl --agent nyx --principal ops",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := p.openInput(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = in.Close() }() // it was only read
			return p.withMemories(cmd.Context(), common, "what was kept stays; import the file again for the rest", func(ctx context.Context, c *host.Client) error {
				return p.importAll(ctx, c, in, o, cmd.OutOrStdout())
			})
		},
	}
	c.Flags().StringVar(&o.AgentID, "agent", "", "the agent of the lines that name none")
	c.Flags().StringVar(&o.Principal, "principal", "", "whose the lines are that name nobody")
	return c
}

func (p *Program) openInput(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(p.Stdin), nil
	}
	return os.Open(name)
}

// importAll sends the lines part by part.
func (p *Program) importAll(ctx context.Context, c *host.Client, from io.Reader, o memories.Importing, out io.Writer) error {
	var total memories.Imported
	in, bad := bufio.NewReaderSize(from, 64<<10), 0
	o.FirstLine = 1
	for end := false; !end; {
		part, lines, err := nextPart(in)
		if end = errors.Is(err, io.EOF); err != nil && !end {
			return fmt.Errorf("read the file: %w", err)
		}
		if lines == 0 {
			break
		}
		came, err := c.ImportMemories(ctx, bytes.NewReader(part), o)
		if err != nil {
			return fmt.Errorf("%s were kept before line %d: %w", inMemories(total.Kept), o.FirstLine, err)
		}
		for _, b := range came.Bad {
			if bad++; bad <= maxBadReported {
				fmt.Fprintf(p.Stderr, "line %d: %s\n", b.Line, b.Reason)
			}
		}
		came.Bad = nil
		total.Add(came)
		o.FirstLine += lines
	}
	if bad > maxBadReported {
		fmt.Fprintf(p.Stderr, "and %d more\n", bad-maxBadReported)
	}
	if _, err := fmt.Fprintln(out, importSummary(total, bad)); err != nil {
		return err
	}
	if bad > 0 {
		return failure{errSaid}
	}
	return nil
}

func importSummary(total memories.Imported, bad int) string {
	parts := []string{fmt.Sprintf("%s imported", inMemories(total.Kept))}
	if total.There > 0 {
		parts = append(parts, fmt.Sprintf("%d there already", total.There))
	}
	if total.Expired > 0 {
		parts = append(parts, fmt.Sprintf("%d expired", total.Expired))
	}
	if bad > 0 {
		parts = append(parts, plural(bad, "line")+" left out")
	}
	return strings.Join(parts, ", ")
}

func inMemories(n int) string {
	return strings.ReplaceAll(plural(n, "memory"), "memorys", "memories")
}

// nextPart reads whole lines for one request. The middle of a line that is too long for a memory is left out: the host says of it
// that it is too long all the same.
func nextPart(in *bufio.Reader) (part []byte, lines int, err error) {
	length := 0 // of this line
	for {
		text, err := in.ReadSlice('\n')
		if length += len(text); length <= maxImportLine+in.Size() {
			part = append(part, text...)
		} else if err == nil {
			part = append(part, '\n')
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			if length > 0 {
				lines++
			}
			return part, lines, err
		}
		if lines, length = lines+1, 0; lines == importLines || len(part) >= importPart {
			return part, lines, nil
		}
	}
}

// follow shows how far the host is until every memory is embedded that can be.
func follow(ctx context.Context, c *host.Client, x memories.Index, b *progress) (memories.Index, error) {
	const interval = 200 * time.Millisecond
	tick := time.NewTicker(interval)
	defer tick.Stop()
	defer b.end()
	for {
		b.show(x)
		if x.Done() {
			return x, nil
		}
		select {
		case <-ctx.Done():
			return x, ctx.Err()
		case <-tick.C:
		}
		var err error
		if x, err = c.MemoryIndex(ctx); err != nil {
			return x, err
		}
	}
}

// writeIndex says by what memories are found.
func writeIndex(w io.Writer, x memories.Index) error {
	var b strings.Builder
	if x.Embedder == nil {
		fmt.Fprintf(&b, "%s, found by their words; no model is configured that embeds them (memory.embedder)\n", inMemories(x.Memories))
		_, err := io.WriteString(w, b.String())
		return err
	}
	fmt.Fprintf(&b, "%s, %d of them embedded by the model %s of %s: %s\n",
		inMemories(x.Memories), x.Placed-x.Nowhere, x.Embedder.Model, x.Embedder.Provider, x.State)
	if x.Nowhere > 0 {
		fmt.Fprintf(&b, "%d cannot be embedded and are found by their words; the log of the host says why\n", x.Nowhere)
	}
	if x.State != memories.StateReady && len(x.Searched) > 0 {
		fmt.Fprintf(&b, "searched meanwhile: %s\n", strings.Join(x.Searched, ", "))
	}
	if x.Error != "" {
		fmt.Fprintf(&b, "the last try failed: %s\n", x.Error)
	}
	if x.Words != "" {
		fmt.Fprintf(&b, "searches go by words alone at the moment: %s\n", x.Words)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
