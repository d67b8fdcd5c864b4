package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/host/logging"
	"github.com/stagehouse/stagehouse/plugin"
)

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// writeExtensions prints a table, and below it what is wrong. data is the flag that the next command needs.
func writeExtensions(w io.Writer, all []plugin.Status, data string) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "no extension is enabled")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tSTATE\tGENERATION\tPID\tSINCE\tRESTARTS\tMEMORY\tLISTENERS")
	for _, s := range all {
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%d\t%s\t%s\n", s.Name, s.State, s.Generation, pid(s),
			age(time.Since(s.Since)), s.Restarts, memory(s.Memory), orDash(strings.Join(s.Listeners, ", ")))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, s := range all {
		if !troubled(s) {
			continue
		}
		fmt.Fprintf(w, "\n%s is %s: %s\n", s.Name, s.State, s.LastError)
		if s.State != plugin.StateRestarting && s.State != plugin.StateWaiting {
			fmt.Fprintf(w, "  → mend it, then: %s ext reload %s%s\n", self(), s.Name, data)
		}
	}
	return nil
}

// reloaded says when an extension has taken another block in place, if it has.
func reloaded(s plugin.Status) string {
	if s.Reloaded.IsZero() {
		return ""
	}
	return fmt.Sprintf(", reloaded in place %s ago", age(time.Since(s.Reloaded)))
}

// pid returns the number of the process, and whether the host runs it.
func pid(s plugin.Status) string {
	if s.PID > 0 && s.Attach != "" {
		return number(uint64(s.PID)) + " (attached)"
	}
	return orDash(number(uint64(max(s.PID, 0))))
}

// writeDescription prints what an extension is and the keys of its block.
func writeDescription(w io.Writer, d host.Description) error {
	fmt.Fprintf(w, "%s %s", d.Status.Name, d.Description.Version)
	if d.Description.Summary != "" {
		fmt.Fprintf(w, ": %s", d.Description.Summary)
	}
	fmt.Fprintf(w, "\n\nstate     %s, generation %d, for %s%s\n", d.Status.State, d.Status.Generation, age(time.Since(d.Status.Since)), reloaded(d.Status))
	fmt.Fprintf(w, "serves    %s\n", orDash(strings.Join(d.Status.Listeners, ", ")))
	if d.Status.Attach != "" {
		fmt.Fprintf(w, "attached  to the process at %s, which the host does not run\n", d.Status.Attach)
	}
	if len(d.Description.Offers) > 0 {
		fmt.Fprintf(w, "offers    %s\n", strings.Join(d.Description.Offers, ", "))
	}
	for i, name := range slices.Sorted(maps.Keys(d.Status.Metrics)) {
		label := "counts"
		if i > 0 {
			label = ""
		}
		fmt.Fprintf(w, "%-8s  %s %s\n", label, name, strconv.FormatFloat(d.Status.Metrics[name], 'f', -1, 64))
	}
	fmt.Fprintf(w, "requires  %s\n", orDash(strings.Join(d.Description.Requires, ", ")))
	fmt.Fprintf(w, "protocol  %d\n", d.Description.Protocol)
	for i, c := range d.Description.Commands {
		label := "commands"
		if i > 0 {
			label = ""
		}
		fmt.Fprintf(w, "%-8s  /%s: %s\n", label, c.Name, c.Description)
	}
	if b := d.Description.Brain; b != nil {
		fmt.Fprintf(w, "brain     %s\n", b.Description)
	}
	var s blockSchema
	if err := json.Unmarshal(d.Description.ConfigSchema, &s); err != nil || len(s.Properties) == 0 {
		_, err := fmt.Fprintln(w, "\nIts block has no keys of its own.")
		return err
	}
	fmt.Fprintln(w, "\nThe keys of its block:")
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	s.write(t, "")
	return t.Flush()
}

// blockSchema is what is shown of a JSON Schema.
type blockSchema struct {
	Type        json.RawMessage        `json:"type"`
	Description string                 `json:"description"`
	Default     json.RawMessage        `json:"default"`
	Enum        []json.RawMessage      `json:"enum"`
	Properties  map[string]blockSchema `json:"properties"`
}

// write prints a line for each key below prefix.
func (s blockSchema) write(w io.Writer, prefix string) {
	for _, key := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[key]
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", prefix+key, p.kind(), orDash(string(p.Default)), p.Description)
		p.write(w, prefix+key+".")
	}
}

func (s blockSchema) kind() string {
	var values []string
	for _, v := range s.Enum {
		values = append(values, string(v))
	}
	if len(values) > 0 {
		return strings.Join(values, " or ")
	}
	var name string
	if json.Unmarshal(s.Type, &name) == nil {
		return name
	}
	return "any"
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// age returns how long something has been so, in one or two units.
func age(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}

// memory returns bytes for a person.
func memory(n uint64) string {
	switch {
	case n == 0:
		return "-"
	case n < 1<<20:
		return fmt.Sprintf("%.0f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

// logText returns a log line as the host's own log has it for a person.
func logText(l logging.Line) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %-7s %s", l.Time.UTC().Format("2006-01-02T15:04:05.000Z07:00"), "["+strings.ToUpper(l.Level)+"]", plainLine(l.Message))
	for i, a := range l.Attrs {
		if i == 0 {
			b.WriteString(":")
		}
		value := fmt.Sprint(a.Value)
		if value == "" || strings.ContainsAny(value, " \"=") || plainLine(value) != value {
			value = fmt.Sprintf("%q", value)
		}
		fmt.Fprintf(&b, " %s=%s", plainLine(a.Key), value)
	}
	return b.String()
}

// plainLine keeps what an extension writes from moving the cursor of a terminal.
func plainLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '�'
		}
		return r
	}, s)
}
