// Package handover moves open connections from one generation of an extension to the next, so that a client sees nothing
// of the change: the descriptor goes over a bridge that the host has made between the two processes, and what the old
// process knew of the connection goes with it.
//
// A connection of an HTTP server moves between two requests: what is in flight finishes where it began. While the old
// generation leaves, a read that waits for the next request is interrupted, and the server closes the connection, which
// hands it over instead. Bytes that the client has sent meanwhile are still in the kernel, and are read by whoever reads
// next. The server itself knows nothing of it; it only has to say when a connection is idle (see [Conn.Idle]).
//
// A connection that has become something else, such as a WebSocket, is detached from that (see [Conn.Detach]) and moved by
// its owner, with a state that only the owner can read.
//
// What cannot move stays: a connection of TLS, whose keys are here, one whose client sends requests ahead, and all of them
// where the host cannot make a bridge. The server says with its next answer that it is the last one (see [Conn.Last]); the
// rest is closed when nothing has happened on it for five seconds.
//
// Beside connections the old process can tell the new one something before any of them moves, and ask it afterwards
// ([Set.Told], [Set.Ask]).
//
// The successor says of every connection that it has taken it. What it has not taken when it dies is still open here.
//
// The package is used by package sdk; an extension needs it only to detach and move connections of its own.
package handover
