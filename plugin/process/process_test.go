package process

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheEnvironmentOfTheHostStaysThere(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("TZ", "Europe/Oslo")
	env, err := environment(map[string]string{"MINE": "1", "TZ": "UTC"})
	if err != nil {
		t.Fatal(err)
	}
	for want, count := range map[string]int{"MINE=1": 1, "TZ=UTC": 1, "AWS_SECRET_ACCESS_KEY=secret": 0} {
		if n := len(slices.DeleteFunc(slices.Clone(env), func(e string) bool { return e != want })); n != count {
			t.Errorf("%s is there %d times, want %d", want, n, count)
		}
	}
	if i, j := slices.Index(env, "TZ=Europe/Oslo"), slices.Index(env, "TZ=UTC"); i > j {
		t.Error("what is inherited wins over what is configured")
	}
	for _, bad := range []map[string]string{{"": "x"}, {"A=B": "x"}, {"A": "x\x00"}, {"A\x00": "x"}} {
		if _, err := environment(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestHandshakesAreToldFromChatter(t *testing.T) {
	var stdout *StdoutError
	var version *VersionError
	for _, c := range []struct {
		line string
		err  error
		want any
	}{
		{"1|1|unix|/tmp/x|grpc|cert|true\n", nil, nil},
		{"1|1|unix|/tmp/x|grpc|cert|false\n", nil, nil},
		{"1|1|unix|/tmp/x|grpc|cert\n", nil, nil},
		{"1|2|unix|/tmp/x|grpc|cert|true\n", nil, &version},
		{"1||unix|/tmp/x|grpc|cert|true\n", nil, &version},
		{"hello\n", nil, &stdout},
		{"1|1|unix|/tmp/x|netrpc\n", nil, &stdout},
		{"\n", nil, &stdout},
		{"half a line", io.EOF, &stdout},
	} {
		err := checkHandshake(c.line, c.err)
		switch {
		case c.want == nil && err != nil, c.want != nil && !errors.As(err, c.want):
			t.Errorf("%q = %v, want %T", c.line, err, c.want)
		}
	}
	if err := checkHandshake("", io.EOF); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("nothing at all = %v", err)
	}
}

func TestItIsSaidWhoIsBehind(t *testing.T) {
	for major, newer := range map[string]bool{"0": false, "1": false, "2": true, "10": true, "": false, "x": false, "-2": false} {
		if err := (&VersionError{Major: major}); err.Newer() != newer {
			t.Errorf("version %q is newer: %v", major, err.Newer())
		}
	}
}

func TestLinesAreBounded(t *testing.T) {
	long := strings.Repeat("x", maxLine*3)
	input := "a\n\n" + long + "\nb\n" + long
	type got struct {
		n   int
		cut bool
	}
	want := []got{{1, false}, {maxLine, true}, {1, false}, {maxLine, true}}
	var read, written []got
	var readRest, writtenRest int
	collect := func(lines *[]got, rest *int) sink {
		return sink{
			line: func(l []byte, cut bool) { *lines = append(*lines, got{len(l), cut}) },
			rest: func(n int) { *rest += n },
		}
	}
	eachLine(strings.NewReader(input), collect(&read, &readRest))
	if !slices.Equal(read, want) {
		t.Errorf("read %v, want %v", read, want)
	}
	w := lineWriter(collect(&written, &writtenRest))
	for part := range slices.Chunk([]byte(input), 1000) {
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(written, want) {
		t.Errorf("written %v, want %v", written, want)
	}
	if left := 4 * maxLine; readRest != left+1 || writtenRest != left { // the one counts the end of the line too
		t.Errorf("%d and %d bytes were left out, want %d", readRest, writtenRest, left)
	}
}

func TestLastWords(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		want  []string
	}{
		{"nothing", nil, nil},
		{"all kinds", []string{"printed", `{"@level":"info","@message":"logged","@timestamp":"x","n":1}`}, []string{"printed", "logged n=1"}},
		{"too many", strings.Split("abcdefghij", ""), strings.Split("cdefghij", "")},
		{"a long one", []string{strings.Repeat("é", maxLastLine)}, []string{strings.Repeat("é", maxLastText/2) + "…"}},
		{"a panic", []string{"starting", "panic: no", "goroutine 1 [running]:", "main.main()"}, []string{"panic: no"}},
	} {
		l := newLogger(slog.New(slog.DiscardHandler))
		for _, line := range c.lines {
			l.errorLine([]byte(line), false)
		}
		if got := l.lastWords(); !slices.Equal(got, c.want) {
			t.Errorf("%s: last words = %q, want %q", c.name, got, c.want)
		}
	}
	l := newLogger(slog.New(slog.DiscardHandler))
	l.printedLine([]byte("on stdout"), false)
	if got := l.lastWords(); !slices.Equal(got, []string{"on stdout"}) {
		t.Errorf("last words = %q", got)
	}
}

// go-plugin complains of every connection that is closed under it, which a stop does; an author's errors stay errors.
func TestWhileAProcessIsStoppedGoPluginMakesNoErrors(t *testing.T) {
	var out bytes.Buffer
	l := newLogger(slog.New(slog.NewTextHandler(&out, nil)))
	yamux := []byte(`{"@level":"error","@message":"yamux: Failed to write body: use of closed network connection","@module":"go-plugin.yamux"}`)
	authors := []byte(`{"@level":"error","@message":"mine","@module":"go-plugins"}`)
	l.errorLine(yamux, false)
	if !strings.Contains(out.String(), "level=ERROR") {
		t.Errorf("an error while it runs is hidden: %s", &out)
	}
	out.Reset()
	l.stopping()
	l.errorLine(yamux, false)
	l.errorLine(authors, false)
	if text := out.String(); strings.Contains(text, "yamux") || !strings.Contains(text, "level=ERROR msg=mine") {
		t.Errorf("log = %s", text)
	}
}

func FuzzLog(f *testing.F) {
	for _, s := range []string{
		`{"@level":"info","@message":"m","@timestamp":"x","a":1,"extension":"e"}`, `{"@message":1}`, `{"@level":[]}`, "{", "panic: x", "\x00\xff",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var out bytes.Buffer
		l := newLogger(slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: levelTrace})).With("extension", "real"))
		eachLine(bytes.NewReader(line), l.stderr())
		eachLine(bytes.NewReader(line), l.stdout())
		if !utf8.Valid(out.Bytes()) {
			t.Errorf("%q became %q", line, out.String())
		}
		for rest := range strings.Lines(out.String()) {
			if strings.Count(rest, `"extension":`) != 1 && !strings.Contains(string(line), "extension") {
				t.Errorf("%q became %s", line, rest)
			}
		}
	})
}
