package conform

import (
	"encoding/xml"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
)

// The form of a report that continuous integration reads, as Jenkins' junit-10.xsd has it.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name      string      `xml:"name,attr"`
		Tests     int         `xml:"tests,attr"`
		Failures  int         `xml:"failures,attr"`
		Errors    int         `xml:"errors,attr"`
		Skipped   int         `xml:"skipped,attr"`
		Time      string      `xml:"time,attr"`
		Timestamp string      `xml:"timestamp,attr"`
		Cases     []junitCase `xml:"testcase"`

		took time.Duration
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    string        `xml:"time,attr"`
		Skipped *junitMessage `xml:"skipped"`
		Failure *junitMessage `xml:"failure"`
		Log     string        `xml:"system-out,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes the report as JUnit XML: a test suite for each group, and a test case for each check.
func (r Report) WriteJUnit(w io.Writer) error {
	out := junitSuites{Name: r.Target, Tests: len(r.Results), Failures: r.Count(Failed), Time: seconds(r.Took)}
	for _, res := range r.Results {
		group := path.Dir(res.ID)
		if n := len(out.Suites); n == 0 || out.Suites[n-1].Name != group {
			out.Suites = append(out.Suites, junitSuite{Name: group, Timestamp: r.Begun.Format("2006-01-02T15:04:05")})
		}
		out.Suites[len(out.Suites)-1].add(res)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(out); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *junitSuite) add(res Result) {
	c := junitCase{
		Class: strings.ReplaceAll(path.Dir(res.ID), "/", "."), Name: path.Base(res.ID), Time: seconds(res.Took),
		Log: strings.Join(res.Log, "\n"),
	}
	s.Tests++
	switch res.Outcome {
	case Failed:
		s.Failures++
		text := fmt.Sprintf("expected: %s\ngot: %s\ncontract: %s", res.Expected, strings.Join(res.Got, "\ngot: "), Doc(res.Contract))
		c.Failure = &junitMessage{Message: res.Got[0], Text: text}
	case Skipped:
		s.Skipped++
		c.Skipped = &junitMessage{Message: strings.Join(res.Got, "; ")}
	}
	s.took += res.Took
	s.Time = seconds(s.took)
	s.Cases = append(s.Cases, c)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
