package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/host/token"
	"github.com/stagehouse/stagehouse/schema"
)

const defaultURL = "http://127.0.0.1:3001"

func (p *Program) chatCommand(common *commonFlags) *cobra.Command {
	var o chatOptions
	c := &cobra.Command{
		Use:   "chat [AGENT]",
		Short: "Talk to an agent of a running host",
		Long: `chat talks to an agent over the WebSocket of a host that runs on this machine, or at --url, and shows its thoughts
and feelings as they come. Without AGENT, each new conversation is routed to the agent that fits best.

The admin token of the data directory is sent to the host of that directory only; any other --url needs a token.

In a pipe every line is one message; the replies go to standard output and the rest to standard error.`,
		Example: "  stagehouse chat nyx\n  echo \"remember that my cat is called Miro\" | stagehouse chat aria",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.agent = args[0]
				if o.agent == "" {
					return errors.New("AGENT is empty; leave it out to have the message routed")
				}
			}
			if err := p.findHost(p.dataDir(common), &o); err != nil {
				return err
			}
			return p.chat(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.url, "url", "", "where the API is (default: the host of the data directory)")
	c.Flags().StringVar(&o.token, "token", "", "bearer token (or STAGEHOUSE_TOKEN; default: the admin token of the data directory)")
	c.Flags().StringVar(&o.conversation, "conversation", "", "conversation to go on with")
	c.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "show the replies only")
	return c
}

type chatOptions struct {
	agent, url, token, conversation string
	quiet                           bool
}

// findHost fills in where the API is and the token for it.
func (p *Program) findHost(data string, o *chatOptions) error {
	own := ownURLs(data)
	if o.url == "" {
		o.url = append(own, defaultURL)[0]
	}
	u, err := url.Parse(o.url)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("--url %q is not an address like %s", o.url, defaultURL)
	}
	if o.token == "" {
		o.token = p.env("STAGEHOUSE_TOKEN")
	}
	if o.token != "" {
		return nil
	}
	if len(own) == 0 {
		return fmt.Errorf("no host runs with the data directory %s; start a host with %q, or give --data, or --url and --token", data, self()+" run")
	}
	if !slices.Contains(own, strings.TrimSuffix(o.url, "/")) {
		return fmt.Errorf("%s is not the host of %s, and does not get its admin token; give a token with --token or STAGEHOUSE_TOKEN", o.url, data)
	}
	o.token, err = token.Open(data).Admin()
	return err
}

// ownURLs returns where the API of the host that runs with a data directory is reached on this machine.
func ownURLs(data string) []string {
	var urls []string
	if s, err := host.ReadState(data); err == nil {
		for _, l := range s.Extensions[apiExtension] {
			at := reachable(l)
			urls = append(urls, "http://"+at)
			if ap, err := netip.ParseAddrPort(at); err == nil && ap.Addr().IsLoopback() {
				urls = append(urls, fmt.Sprintf("http://localhost:%d", ap.Port()))
			}
		}
	}
	return urls
}

func (p *Program) chat(ctx context.Context, o chatOptions) error {
	ctx, stop := p.untilSignal(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP) // a terminal that is closed hangs up
	defer stop()
	conn, err := dialChat(ctx, o.url, o.token)
	if err != nil {
		return err
	}
	defer conn.close()
	if err := conn.subscribe(ctx, o.agent); err != nil {
		return err
	}
	s := chatSession{
		chatOptions: o, conn: conn, out: p.Stdout, aside: p.Stderr,
		interactive: isTerminalReader(p.Stdin) && isTerminal(p.Stdout),
	}
	if s.interactive {
		fmt.Fprintf(s.aside, "Talking to %s at %s. Ctrl-D ends.\n", s.name(), o.url)
	}
	lines := readLines(p.Stdin)
	for {
		s.prompt()
		line, more, err := s.nextLine(ctx, lines)
		if err == nil && strings.TrimSpace(line) != "" {
			err = s.turn(ctx, line)
		}
		switch {
		case ctx.Err() != nil:
			return nil // told to stop
		case err != nil:
			return failure{err}
		case !more:
			return s.verdict()
		}
	}
}

// chatSession is one sitting.
type chatSession struct {
	chatOptions
	conn        *chatConn
	out, aside  io.Writer
	interactive bool
	failed      bool // a turn had no reply
}

func (s *chatSession) name() string {
	if s.agent == "" {
		return "whoever fits best"
	}
	return s.agent
}

func (s *chatSession) prompt() {
	if s.interactive {
		fmt.Fprint(s.out, "you> ")
	}
}

func (s *chatSession) verdict() error {
	if s.failed {
		return failure{errSaid}
	}
	return nil
}

// nextLine waits for a line, and answers the server's heartbeat meanwhile. more is false at the end of the input.
func (s *chatSession) nextLine(ctx context.Context, lines <-chan inputLine) (line string, more bool, err error) {
	for {
		select {
		case l := <-lines:
			if errors.Is(l.err, io.EOF) {
				return "", false, nil
			}
			return l.text, true, l.err
		case _, ok := <-s.conn.frames: // what happens between turns belongs to somebody else's
			if !ok {
				return "", false, s.conn.err()
			}
		case <-ctx.Done():
			return "", false, ctx.Err()
		}
	}
}

// turn sends one message and shows everything up to its end.
func (s *chatSession) turn(ctx context.Context, text string) error {
	if len(text) > schema.MaxMessageBytes {
		s.refused(fmt.Sprintf("the line has %d bytes; a message has at most %d", len(text), schema.MaxMessageBytes))
		return nil
	}
	ack, err := s.conn.say(ctx, s.agent, s.conversation, text)
	var refused *refusal
	if errors.As(err, &refused) {
		s.refused(refused.Error())
		return nil
	}
	if err != nil {
		return err
	}
	s.conversation = ack.ConversationID
	if s.agent == "" && !s.quiet {
		fmt.Fprintf(s.aside, "  · %s answers\n", printable(ack.AgentID))
	}
	for {
		f, err := s.conn.next(ctx)
		if err != nil {
			return err
		}
		if f.RunID == ack.RunID && s.show(f) {
			return nil
		}
	}
}

// refused says why a message was not sent.
func (s *chatSession) refused(why string) {
	s.failed = true
	fmt.Fprintf(s.aside, "! %s\n", printable(why))
}

// show prints one frame of the turn and reports whether it was the last.
func (s *chatSession) show(f chatFrame) (last bool) {
	aside := func(format string, args ...any) {
		if !s.quiet {
			fmt.Fprintf(s.aside, "  · %s\n", printable(fmt.Sprintf(format, args...)))
		}
	}
	switch f.Type {
	case "agent:thought":
		aside("%s thinks: %s", f.AgentID, f.Thought)
	case "agent:emotion":
		aside("%s feels %s (%.0f%%)", f.AgentID, f.Emotion, f.Intensity*100)
	case "agent:action":
		aside("%s does %s", f.AgentID, f.Action)
	case "chat:reply":
		if s.interactive {
			fmt.Fprintf(s.out, "%s> ", f.AgentID)
		}
		fmt.Fprintln(s.out, printable(f.Reply.Content))
		return true
	case "chat:failed", "chat:cancelled":
		s.failed = true
		fmt.Fprintf(s.aside, "! %s could not answer: %s %s\n", f.AgentID, f.Reason, printable(string(f.Error)))
		return true
	}
	return false
}

// printable drops what would steer a terminal: an agent's words are somebody else's words.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f) {
			return r
		}
		return -1
	}, s)
}

type inputLine struct {
	text string
	err  error
}

// readLines reads lines until the input ends. The goroutine lives as long as the input, which is as long as the process.
func readLines(r io.Reader) <-chan inputLine {
	lines := make(chan inputLine)
	go func() {
		in := bufio.NewReader(r)
		for {
			text, err := in.ReadString('\n')
			if text != "" {
				lines <- inputLine{text: strings.TrimRight(text, "\r\n")}
			}
			if err != nil {
				lines <- inputLine{err: err}
				return
			}
		}
	}()
	return lines
}

func isTerminalReader(r io.Reader) bool {
	f, ok := r.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
