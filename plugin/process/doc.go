// Package process runs one extension process: it prepares a private directory and copy of the program, starts it over
// go-plugin with an environment, a process group and a tether of its own, reads what it writes, and ends it within a bound,
// whatever state it is in. It knows nothing of what the extension does; package plugin does.
package process
