package conform

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

// Outcome is what came of a check.
type Outcome string

// The outcomes.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped" // it is about something that the target does not offer
)

// Result is what came of one check.
type Result struct {
	ID       string
	Outcome  Outcome
	Expected string
	Contract string        // where that is written, see Doc
	Got      []string      // what came instead, or why it was skipped; empty where it has passed
	Log      []string      // of a check that has failed: the last lines
	Took     time.Duration // without the setup of its group
}

// Report is what came of a run.
type Report struct {
	Target  string
	Begun   time.Time
	Took    time.Duration
	Results []Result
}

// Count returns how many checks came to an outcome.
func (r Report) Count(o Outcome) int {
	n := 0
	for _, res := range r.Results {
		if res.Outcome == o {
			n++
		}
	}
	return n
}

// docs is where the packages of the contract are.
const docs = "github.com/stagehouse/stagehouse/"

// Doc says to a person where a part of the contract is written.
func Doc(contract string) string {
	if strings.HasPrefix(contract, "docs/") {
		return contract
	}
	return contract + " (go doc " + docs + contract + ")"
}

// WriteText writes a result for a person: one line, and below it what was expected where it has failed.
func (r Result) WriteText(w io.Writer) error {
	var b strings.Builder
	switch r.Outcome {
	case Passed:
		fmt.Fprintf(&b, "ok    %s\n", r.ID)
	case Skipped:
		fmt.Fprintf(&b, "skip  %s: %s\n", r.ID, strings.Join(r.Got, "; "))
	case Failed:
		fmt.Fprintf(&b, "FAIL  %s\n", r.ID)
		fmt.Fprintf(&b, "      expected  %s\n", r.Expected)
		for _, got := range r.Got {
			fmt.Fprintf(&b, "      got       %s\n", indent(got, 16))
		}
		fmt.Fprintf(&b, "      contract  %s\n", Doc(r.Contract))
		for _, line := range r.Log {
			fmt.Fprintf(&b, "      log       %s\n", indent(strings.TrimRight(line, "\n"), 16))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// indent indents all lines of text but the first, and drops what a terminal would obey.
func indent(text string, by int) string {
	text = strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ReplaceAll(text, "\t", " "))
	return strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", by))
}

// WriteSummary writes the end of a report for a person.
func (r Report) WriteSummary(w io.Writer) error {
	_, err := fmt.Fprintf(w, "\n%s: %d checks, %d passed, %d failed, %d skipped (%s)\n", r.Target, len(r.Results),
		r.Count(Passed), r.Count(Failed), r.Count(Skipped), r.Took.Round(100*time.Millisecond))
	return err
}

// jsonReport is the form of a report as JSON.
type jsonReport struct {
	Target     string       `json:"target"`
	Begun      time.Time    `json:"begun"`
	DurationMs int64        `json:"durationMs"`
	Passed     int          `json:"passed"`
	Failed     int          `json:"failed"`
	Skipped    int          `json:"skipped"`
	Checks     []jsonResult `json:"checks"`
}

type jsonResult struct {
	ID         string   `json:"id"`
	Outcome    Outcome  `json:"outcome"`
	Expected   string   `json:"expected"`
	Contract   string   `json:"contract"`
	Got        []string `json:"got,omitempty"`
	Log        []string `json:"log,omitempty"`
	DurationMs int64    `json:"durationMs"`
}

// WriteJSON writes the report as one JSON object.
func (r Report) WriteJSON(w io.Writer) error {
	out := jsonReport{
		Target: r.Target, Begun: r.Begun, DurationMs: r.Took.Milliseconds(),
		Passed: r.Count(Passed), Failed: r.Count(Failed), Skipped: r.Count(Skipped), Checks: []jsonResult{},
	}
	for _, res := range r.Results {
		out.Checks = append(out.Checks, jsonResult{
			ID: res.ID, Outcome: res.Outcome, Expected: res.Expected, Contract: res.Contract, Got: res.Got, Log: res.Log,
			DurationMs: res.Took.Milliseconds(),
		})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(out)
}
