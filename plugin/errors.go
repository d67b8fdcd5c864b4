package plugin

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/stagehouse/stagehouse/plugin/attach"
	"github.com/stagehouse/stagehouse/plugin/process"
	"github.com/stagehouse/stagehouse/plugin/protocol"
	"github.com/stagehouse/stagehouse/schema"
)

// Errors of a manager.
var (
	ErrClosed     = errors.New("the host is stopping its extensions")
	ErrStopped    = errors.New("the extension is being stopped")
	ErrSuperseded = errors.New("a newer reload of the extension took the place of this one")
	ErrUnknown    = errors.New("no extension of that name runs")
)

// Phase is a step on the way from a program to an extension that runs.
type Phase string

// The phases in their order. A check is on its own.
const (
	PhaseCheck     Phase = "check"
	PhaseLaunch    Phase = "launch"
	PhaseInit      Phase = "init"
	PhaseConfigure Phase = "configure"
	PhaseStart     Phase = "start"
	PhaseHealth    Phase = "health"
	PhaseTakeOver  Phase = "take over"
	PhaseActivate  Phase = "activate" // of a runtime
	PhaseReload    Phase = "reload"   // of a generation that serves, and goes on as it was
)

// StartError says why an extension does not run.
type StartError struct {
	Extension  string
	Generation uint64 // 0 = it did not come to that
	Phase      Phase
	Cause      error
	Next       string // what the operator can do
}

// Error tells all of it in one line.
func (e *StartError) Error() string {
	var b strings.Builder
	b.WriteString(title(e.Extension))
	if e.Generation > 0 {
		fmt.Fprintf(&b, " (generation %d)", e.Generation)
	}
	fmt.Fprintf(&b, " failed in phase %s: %v", e.Phase, e.Cause)
	if e.Next != "" {
		fmt.Fprintf(&b, "; next: %s", e.Next)
	}
	return b.String()
}

// title returns how a message speaks of an extension, or of the runtime.
func title(name string) string {
	if name == RuntimeName {
		return name
	}
	return "extension " + name
}

// Unwrap returns the cause.
func (e *StartError) Unwrap() error { return e.Cause }

// ProblemsError says that an extension does not accept its configuration.
type ProblemsError struct{ Problems []schema.Problem }

// Error lists the problems in one line.
func (e *ProblemsError) Error() string {
	var parts []string
	for _, p := range e.Problems {
		at := p.Pointer
		if at == "" {
			at = "the block"
		}
		text := at + ": " + p.Message
		if p.Suggestion != "" {
			text += " (" + p.Suggestion + ")"
		}
		parts = append(parts, text)
	}
	return "it does not accept its configuration: " + strings.Join(parts, "; ")
}

// MissingError says that an extension requires a service that it does not get.
type MissingError struct {
	Service string
	Offered bool // the runtime offers it, and it is not granted
}

func (e *MissingError) Error() string {
	if e.Offered {
		return fmt.Sprintf("it requires the service %q, which it is not granted", e.Service)
	}
	return fmt.Sprintf("it requires the service %q, which the runtime does not offer", e.Service)
}

// ReservedError says that a Spec sets a variable of the boundary itself.
type ReservedError struct{ Name string }

func (e *ReservedError) Error() string {
	return fmt.Sprintf("the environment variable %s is the host's own, by which it speaks with its extensions", e.Name)
}

// failed returns the error of an extension that does not run.
func failed(s Spec, generation uint64, phase Phase, cause error) *StartError {
	return &StartError{Extension: s.Name, Generation: generation, Phase: phase, Cause: cause, Next: next(s, phase, cause)}
}

// next says what the operator can do about cause.
func next(s Spec, phase Phase, cause error) string {
	key := "extensions." + s.Name
	if s.Name == RuntimeName {
		key = s.Name
	}
	if what := nextOfProgram(s, key, phase, cause); what != "" {
		return what
	}
	var (
		reserved *ReservedError
		problems *ProblemsError
		missing  *MissingError
		taken    *TakenError
	)
	switch {
	case errors.As(cause, &reserved):
		return fmt.Sprintf("take %s out of %s.plugin.env, or give it another name", reserved.Name, key)
	case errors.As(cause, &problems):
		return fmt.Sprintf("correct the block %s", key)
	case errors.As(cause, &missing) && missing.Offered:
		return fmt.Sprintf("add it to %s.plugin.grants", key)
	case errors.As(cause, &missing):
		return fmt.Sprintf("use a runtime that offers it, or set %s.enabled to false", key)
	case errors.As(cause, &taken):
		return fmt.Sprintf("set enabled to false for one of them, or leave %q out of %s.plugin.grants", schema.GrantCommands, key)
	case strings.Contains(cause.Error(), key): // it names the key to change, as a port that is taken does
		return ""
	case phase == PhaseStart, phase == PhaseHealth, phase == PhaseActivate:
		return "correct what it says; its log may say more"
	}
	return ""
}

// nextOfProgram is next where it is the program, or how it runs, that is wrong.
func nextOfProgram(s Spec, key string, phase Phase, cause error) string {
	var (
		absent   *attach.AbsentError
		checksum *process.ChecksumError
		stdout   *process.StdoutError
		version  *process.VersionError
		late     *process.NotReadyError
		run      *process.ExecError
		output   *process.OutputError
		exit     *process.ExitError
	)
	program := cmp.Or(s.Path, "the program that is attached")
	switch {
	case errors.As(cause, &absent) && absent.Silent:
		return "let it go on, or run it again"
	case errors.As(cause, &absent) && absent.Holder != 0:
		return "end that host, or take the block out of its configuration; this one attaches then"
	case errors.As(cause, &absent):
		return fmt.Sprintf("run it, or take attach out of %s.plugin", key)
	case errors.As(cause, &checksum):
		return fmt.Sprintf("install the right program, or correct %s.plugin.sha256", key)
	case errors.As(cause, &stdout):
		return "write to standard error or to the log instead, and call sdk.Main first; is it an extension at all?"
	case errors.As(cause, &version) && version.Newer():
		return fmt.Sprintf("upgrade the host to a release that speaks version %s, or install a release of %s that speaks %d",
			version.Major, program, protocol.Major)
	case errors.As(cause, &version):
		return fmt.Sprintf("upgrade %s to a release that speaks version %d, or build it with the sdk of this host's release",
			program, protocol.Major)
	case errors.As(cause, &late) && phase == PhaseCheck:
		return fmt.Sprintf("%s; or raise %s.plugin.startTimeoutMs", look(s), key)
	case errors.As(cause, &late):
		return fmt.Sprintf("see what it logged last, or raise %s.plugin.startTimeoutMs", key)
	case errors.As(cause, &run):
		return fmt.Sprintf("correct %s.plugin.path", key)
	case errors.As(cause, &output):
		return look(s)
	case errors.As(cause, &exit) && len(exit.Last) == 0:
		return "it logged nothing; have it write to its standard error what is wrong before it exits"
	case errors.As(cause, &exit) && phase == PhaseCheck: // nobody logs what it writes
		return "correct what it says"
	case errors.As(cause, &exit):
		return "correct what it says; the host's log has all that it wrote"
	}
	return ""
}

// look says how to see whether a program is an extension.
func look(s Spec) string {
	if s.Attach != "" {
		return "see that the program that is attached is an extension, and is not stopped"
	}
	return fmt.Sprintf("see that %s is an extension: `%s describe` prints what it is", s.Path, s.Path)
}
