// Package plugin is the host's side of the process boundary. A [Manager] runs every extension as a process of its own,
// hands it the services that it may use, watches over it, restarts it when it dies or hangs, and drains it before it goes;
// [Check] asks an extension, without starting it, what it thinks of its configuration.
//
// The life of one generation of an extension, which is what the documentation of this package calls one process of it:
//
//  1. launch: its program is copied to a private directory and compared with its checksum, run with an environment, a
//     process group and a tether of its own, and shakes hands over go-plugin.
//  2. init: the two sides tell each other who they are; the services that are offered and granted are served on one
//     connection. An extension that requires another one does not start.
//  3. configure: the extension takes its block, strictly, or says everything that is wrong with it.
//  4. start: the extension begins to serve. Its listeners are bound and kept by the host.
//  5. health: it says that it is well. Only now is it running, and it is asked again every few seconds.
//  6. drain: it finishes what is in flight, within a bound.
//  7. kill: it is asked to go, and after a bound its process group is killed, whatever state it is in.
//
// A failure before the extension runs is a [StartError], and leaves nothing behind.
//
// A [Runtime] is a process the other way round: it has the same life, and serves what the host calls. One process of it at a time
// is active, and calls wait while there is none.
//
// The package imports schema and schema/wire, and no runtime, extension or sdk.
package plugin
