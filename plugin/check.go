package plugin

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/stagehouse/stagehouse/plugin/attach"
	"github.com/stagehouse/stagehouse/plugin/process"
	"github.com/stagehouse/stagehouse/plugin/protocol"
	"github.com/stagehouse/stagehouse/schema"
)

// Bounds of Check.
const (
	checkTimeout   = 10 * time.Second // of a Spec that sets no StartTimeout
	maxCheckOutput = 4 << 20
	maxAnswers     = 64 // places where the answer is looked for
)

// Check asks an extension what it is and what it thinks of its block, in a process of its own that serves nothing, or the
// one that it is attached to; if that is not there, the error has an *attach.AbsentError. It takes at most s.StartTimeout,
// or ten seconds where there is none. An error is a *StartError of PhaseCheck and says that the program could not be asked;
// that the block is wrong is in the result.
func Check(ctx context.Context, s Spec) (schema.CheckResult, error) {
	if err := s.validate(); err != nil {
		return schema.CheckResult{}, failed(s, 0, PhaseCheck, err)
	}
	bounded, cancel := context.WithTimeout(ctx, cmp.Or(s.StartTimeout, checkTimeout))
	defer cancel()
	s = s.withDefaults()
	out, err := s.ask(bounded)
	switch {
	case ctx.Err() != nil:
		return schema.CheckResult{}, ctx.Err()
	case err != nil:
		return schema.CheckResult{}, failed(s, 0, PhaseCheck, err)
	}
	result, err := parseCheck(out)
	if err != nil {
		return schema.CheckResult{}, failed(s, 0, PhaseCheck, err)
	}
	return result, nil
}

// ask returns what the extension answers to the check of its block.
func (s Spec) ask(ctx context.Context) ([]byte, error) {
	if s.Attach != "" {
		return attach.Check(ctx, s.Attach, s.Config)
	}
	cfg := s.process(0, os.TempDir(), nil, slog.New(slog.DiscardHandler))
	cfg.Private = false // it ends before anybody could want to replace the program
	cfg.Env = map[string]string{}
	for k, v := range s.Env {
		cfg.Env[k] = v
	}
	cfg.Env[protocol.EnvCheck] = "1"
	return process.Run(ctx, cfg, s.Config, maxCheckOutput)
}

func parseCheck(out []byte) (schema.CheckResult, error) {
	r, before, after, ok := findAnswer(out)
	if !ok {
		return r, &process.OutputError{Message: fmt.Sprintf("it answered %.200q and not with what it is", out)}
	}
	if beside := cmp.Or(firstLine(before), firstLine(after)); beside != "" {
		return r, &process.StdoutError{Line: beside, Check: true}
	}
	if r.Description.Protocol != protocol.Major {
		return r, &process.VersionError{Major: fmt.Sprint(r.Description.Protocol)}
	}
	return r, nil
}

// findAnswer returns the answer in what a program printed, and what it printed around it. An author who prints something
// before sdk.Main is told so, and not that the program is no extension.
func findAnswer(out []byte) (r schema.CheckResult, before, after []byte, ok bool) {
	for at, tries := 0, 0; tries < maxAnswers; tries++ {
		next := bytes.IndexByte(out[at:], '{')
		if next < 0 {
			break
		}
		at += next
		d := json.NewDecoder(bytes.NewReader(out[at:]))
		r = schema.CheckResult{}
		if d.Decode(&r) == nil && r.Description.Name != "" {
			return r, out[:at], out[at+int(d.InputOffset()):], true
		}
		at++
	}
	return schema.CheckResult{}, nil, nil, false
}

// firstLine returns the first line that is not blank, cut where it is long, or "".
func firstLine(text []byte) string {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return fmt.Sprintf("%.200s", line)
		}
	}
	return ""
}
