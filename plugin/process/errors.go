package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stagehouse/stagehouse/plugin/protocol"
)

// ChecksumError says that a program is not the one that was configured.
type ChecksumError struct{ Path, Want, Got string }

func (e *ChecksumError) Error() string {
	return fmt.Sprintf("%s is not the program that was configured: its SHA-256 is %s, and %s was expected", e.Path, e.Got, e.Want)
}

// StdoutError says that a program wrote to its standard output before it was ready to be an extension, or beside its
// answer to a check.
type StdoutError struct {
	Line  string // the first one that should not be there
	Check bool
}

func (e *StdoutError) Error() string {
	switch {
	case e.Check:
		return fmt.Sprintf("it wrote %q to its standard output beside its answer, where the host expects the answer alone", e.Line)
	case e.Line == "":
		return "it closed its standard output before it was ready"
	}
	return fmt.Sprintf("it wrote %q to its standard output, which belongs to the host until the extension serves", e.Line)
}

// VersionError says that a program speaks another major version of the boundary.
type VersionError struct{ Major string }

func (e *VersionError) Error() string {
	return fmt.Sprintf("it speaks version %s of the boundary between host and extension, and this host speaks %d", e.Major, protocol.Major)
}

// Newer reports whether it is the host that is behind.
func (e *VersionError) Newer() bool {
	n, err := strconv.Atoi(e.Major)
	return err == nil && n > protocol.Major
}

// ExitError says how a process ended, and what it said last.
type ExitError struct {
	State string   // such as "exit status 2" or "signal: killed"
	Last  []string // the last lines that it logged or printed, oldest first; of a panic the word for it alone
}

func (e *ExitError) Error() string {
	return "the process ended: " + e.State + said("it said", e.Last)
}

// said words the last lines of a process for the end of a message, if there are any.
func said(intro string, last []string) string {
	if len(last) == 0 {
		return ""
	}
	return "; " + intro + ": " + strings.Join(last, " | ")
}

// NotReadyError says that a process did not get ready in time.
type NotReadyError struct {
	After time.Duration
	Last  []string // the last lines that it logged or printed, oldest first
}

func (e *NotReadyError) Error() string {
	return fmt.Sprintf("it was not ready after %v", e.After.Round(time.Millisecond)) + said("it said", e.Last)
}

// ExecError says that a program could not be run at all.
type ExecError struct {
	Path string
	Err  error
}

func (e *ExecError) Error() string {
	switch {
	case errors.Is(e.Err, fs.ErrNotExist), errors.Is(e.Err, exec.ErrNotFound):
		return fmt.Sprintf("there is no program %s", e.Path)
	case errors.Is(e.Err, fs.ErrPermission):
		return fmt.Sprintf("%s may not be run: it is not executable, or its file system is mounted noexec", e.Path)
	case errors.Is(e.Err, syscall.ENOEXEC):
		return fmt.Sprintf("%s is not a program for this machine", e.Path)
	}
	return fmt.Sprintf("run %s: %v", e.Path, e.Err)
}

// Unwrap returns what the system said.
func (e *ExecError) Unwrap() error { return e.Err }

// OutputError says that a program answered with something that nobody can use.
type OutputError struct{ Message string }

func (e *OutputError) Error() string { return e.Message }
