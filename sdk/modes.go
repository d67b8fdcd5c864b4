package sdk

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/stagehouse/stagehouse/plugin/protocol"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// maxBlock bounds a block of configuration in bytes.
const maxBlock = 4 << 20

// program is what the modes of Main other than serving need of a process.
type program struct {
	def    Definition
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

// describe prints what the extension is.
func (p program) describe() int {
	description, err := p.def.description()
	if err != nil {
		return p.complain(err)
	}
	return p.print(description)
}

// check prints what the extension thinks of the block on standard input. Where the host asks, a bad block is an answer
// like any other; by hand it is a failure.
func (p program) check(byHand bool) int {
	block, err := io.ReadAll(io.LimitReader(p.stdin, maxBlock+1))
	switch {
	case err != nil:
		return p.complain(fmt.Errorf("read the block from standard input: %w", err))
	case len(block) > maxBlock:
		return p.complain(fmt.Errorf("the block has more than %d bytes", maxBlock))
	}
	result, err := p.checked(block)
	if err != nil {
		return p.complain(err)
	}
	code := p.print(result)
	if byHand && problem.Fatal(result.Problems) {
		return 1
	}
	return code
}

// checked returns what the extension is, and what it thinks of a block.
func (p program) checked(block []byte) (schema.CheckResult, error) {
	description, err := p.def.description()
	if err != nil {
		return schema.CheckResult{}, err
	}
	log := slog.New(slog.NewTextHandler(p.stderr, nil))
	ext, problems := p.def.configure(log, block)
	if r, ok := ext.(Requirer); ok {
		err := contain(log, "Requires", func() error { description.Requires = append(description.Requires, r.Requires()...); return nil })
		if err != nil {
			problems = append(problems, wrong("", "%v", err))
		}
	}
	if problems == nil {
		problems = []schema.Problem{}
	}
	return schema.CheckResult{Description: description, Problems: problems}, nil
}

// explain tells somebody who runs the program by hand what it is for.
func (p program) explain() int {
	name, kind, block := filepath.Base(os.Args[0]), "an extension", fmt.Sprintf(`{"extensions": {%q: {"plugin": {"path": %q}}}}`, p.def.Name, os.Args[0])
	if p.def.offers != nil {
		kind, block = "a runtime", fmt.Sprintf(`{"runtime": {"plugin": {"path": %q}}}`, os.Args[0])
	}
	_, _ = fmt.Fprintf(p.stderr, `%[1]s is %[4]s of stagehouse (%[2]s %[3]s) and is run by its host, not by hand.

To use it, name it in the configuration and run "stagehouse run --config FILE":

    %[5]s

%[1]s describe    prints what it is, with the JSON Schema of its configuration
%[1]s check       reads its block of the configuration on standard input and prints what is wrong with it
%[1]s -debug      waits for a host to attach to it, such as in a debugger, and prints what to put into the configuration
`, name, p.def.Name, p.def.Version, kind, block)
	return 2
}

func (p program) print(v any) int {
	e := json.NewEncoder(p.stdout)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return p.complain(fmt.Errorf("print the answer: %w", err))
	}
	return 0
}

func (p program) complain(err error) int {
	_, _ = fmt.Fprintf(p.stderr, "extension %s: %v\n", p.def.Name, err)
	return 2
}

func (d Definition) description() (schema.Description, error) {
	var configSchema json.RawMessage
	err := contain(slog.New(slog.DiscardHandler), "New", func() (err error) {
		configSchema, err = ConfigSchema(blockOf(d.New()))
		return err
	})
	if err != nil {
		return schema.Description{}, err
	}
	commands, brain, err := d.abilities(slog.New(slog.DiscardHandler))
	if err != nil {
		return schema.Description{}, err
	}
	return schema.Description{
		Name: d.Name, Version: d.Version, Summary: d.Summary, Protocol: protocol.Major,
		Requires: append([]string{}, d.Requires...), Offers: d.offers, ConfigSchema: configSchema,
		Commands: commands, Brain: brain,
	}, nil
}
