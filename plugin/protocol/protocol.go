// Package protocol holds what the two sides of the process boundary have to agree on before they can speak: names and
// numbers. It imports nothing of stagehouse.
package protocol

import (
	"slices"
	"strings"
)

// Major is the version of the boundary. The two sides speak the same one or do not start.
const Major = 1

// PluginName is the name under which an extension process offers itself to go-plugin.
const PluginName = "extension"

// The cookie tells a program that it is run as an extension. It is no secret and protects nothing.
const (
	CookieKey   = "STAGEHOUSE_EXTENSION"
	CookieValue = "9f1d7c1e-0c53-4d8e-9a35-5b7d0a6f2c41"
)

// Environment of an extension process.
const (
	// EnvCheck is "1" where the program is to read a config block on its standard input, print a schema.CheckResult
	// on its standard output, and exit.
	EnvCheck = "STAGEHOUSE_CHECK"
	// EnvTether is the number of the descriptor that is the process's end of the tether.
	EnvTether = "STAGEHOUSE_TETHER_FD"
	// EnvLifeline is LifelineStdin where there is no tether and standard input ends with the host.
	EnvLifeline   = "STAGEHOUSE_LIFELINE"
	LifelineStdin = "stdin"
)

// goPluginPrefix is what the names of all variables of go-plugin begin with.
const goPluginPrefix = "PLUGIN_"

// Reserved reports whether an environment variable of that name belongs to the boundary, so that nobody else may set it
// for an extension process. Case does not count, because on Windows it does not.
func Reserved(name string) bool {
	name = strings.ToUpper(name)
	return strings.HasPrefix(name, goPluginPrefix) || slices.Contains([]string{CookieKey, EnvCheck, EnvTether, EnvLifeline}, name)
}

// StatusFailed is the gRPC status (ABORTED) of a Health that will never be good again: a part of the extension has ended
// that nothing but another process can bring back. Any other bad answer may be better the next time.
const StatusFailed = 10

// StatusLeaving is the gRPC status (ABORTED) of a command that was not begun, because the process is leaving.
const StatusLeaving = 10

// MaxMessageSize is the size of the largest message on the boundary, in either direction.
const MaxMessageSize = 16 << 20
