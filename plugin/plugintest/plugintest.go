// Package plugintest is an extension that misbehaves on demand, for tests of whatever runs extensions. The test binary
// itself is the extension: its TestMain calls [Main] first, and [Spec] has it run again with a script.
//
//	func TestMain(m *testing.M) {
//		plugintest.Main()
//		goleak.VerifyTestMain(m)
//	}
//
// It speaks to go-plugin directly and not through the sdk, which would keep it from most of this.
package plugintest

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/stagehouse/stagehouse/plugin"
)

// Script says what an extension does, and what it does wrong.
type Script string

// The scripts. Good serves HTTP on a listener of its own: a GET of / answers with the number of the process, and a GET of
// the path of a [Command] carries it out.
const (
	Good            Script = "good"
	Reloads         Script = "reloads"           // takes any block while it serves, and makes nothing of it
	StdoutFirst     Script = "stdout-first"      // writes to its standard output before the handshake
	NeverReady      Script = "never-ready"       // says nothing at all
	SilentExit      Script = "silent-exit"       // says nothing and exits with 3
	DiesEarly       Script = "dies-early"        // panics before the handshake
	WrongMajor      Script = "wrong-major"       // speaks version 99
	DiesInInit      Script = "dies-in-init"      // is gone when it is introduced
	PanicsInStart   Script = "panics-in-start"   // dies of a panic in Start
	HangsInStart    Script = "hangs-in-start"    // never returns from Start
	FailsInStart    Script = "fails-in-start"    // returns an error from Start
	RefusesConfig   Script = "refuses-config"    // finds two problems and a warning in its configuration
	NeverHealthy    Script = "never-healthy"     // starts and is not well
	Requires        Script = "requires"          // requires the service "memory"
	HangsInDrain    Script = "hangs-in-drain"    // serves, and never returns from Drain
	IgnoresTheEnd   Script = "ignores-the-end"   // serves, and takes no notice of SIGTERM, the end of the tether, or Kill
	WaitsInStart    Script = "waits-in-start"    // waits in Start until its script is another one, for SpecOf; that may be FailsInStart
	ChecksGarbage   Script = "checks-garbage"    // answers a check with something else
	ChecksAfterText Script = "checks-after-text" // answers a check after a text, and with another one after it
	ChecksNothing   Script = "checks-nothing"    // says that it thinks, and never answers a check
	ChecksTooMuch   Script = "checks-too-much"   // answers a check without end
	ChecksOldMajor  Script = "checks-old-major"  // answers a check as version 0
	ChecksAndFails  Script = "checks-and-fails"  // exits with 4 when it is asked to check
	ChecksWithChild Script = "checks-with-child" // leaves a child behind that holds its output open, and never answers
)

// Command is a path of the HTTP server of a Good extension.
type Command string

// The commands.
const (
	Exit      Command = "/exit"      // exits with 3
	Panic     Command = "/panic"     // dies of a panic
	Stop      Command = "/stop"      // stops itself, as SIGSTOP does; it does not answer
	Sicken    Command = "/sicken"    // is not well from now on
	Flood     Command = "/flood"     // writes 50,000 lines to its log
	Deluge    Command = "/deluge"    // writes DelugeLines lines to its log, as fast as it can
	LongLine  Command = "/long-line" // writes a line of 1 MiB to its log
	Endless   Command = "/endless"   // writes EndlessBytes to its log, and no end of a line
	OddLines  Command = "/odd-lines" // writes lines that look like log lines and are none
	Print     Command = "/print"     // prints to os.Stdout and os.Stderr
	LeakMost  Command = "/leak-most" // may open 200 files from now on, and leaves 180 open
	Leak      Command = "/leak"      // the same, and opens one more whenever it is asked whether it is well, until it cannot
	MakeChild Command = "/child"     // starts a child in its process group and answers with its number
)

// What says which script it is: its name, or the file that has its name.
const (
	envScript     = "STAGEHOUSE_PLUGINTEST"
	envScriptFile = "STAGEHOUSE_PLUGINTEST_FILE"
)

// Main carries the script out and exits, if this process was started by a Spec; otherwise it returns.
func Main() {
	s := Script(os.Getenv(envScript))
	if s == "" {
		s = written()
	}
	if s != "" {
		os.Exit(s.run())
	}
}

// written returns the script that is in the file for it.
func written() Script {
	path := os.Getenv(envScriptFile)
	if path == "" {
		return ""
	}
	name, err := os.ReadFile(path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return Script(name)
}

// Spec returns how to run the extension of that name with a script. A "listen" in its configuration is the address on which
// it serves; without one it is any.
func Spec(t testing.TB, name string, s Script) plugin.Spec {
	t.Helper()
	return spec(t, name, envScript, string(s))
}

// SpecOf returns how to run the extension of that name with the script whose name is in the file when it is launched, so
// that a test decides what becomes of restarts. A test that changes the file writes another one and renames it.
func SpecOf(t testing.TB, name, file string) plugin.Spec {
	t.Helper()
	return spec(t, name, envScriptFile, file)
}

func spec(t testing.TB, name, key, value string) plugin.Spec {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return plugin.Spec{
		Name: name, Path: path, Config: json.RawMessage(`{}`),
		Env: map[string]string{
			key: value,
			// go-plugin's Serve replaces os.Stderr while its own yamux reads it, which the race detector would report
			// with an exit code of its own.
			"GORACE": "report_bugs=0 atexit_sleep_ms=0",
		},
	}
}
