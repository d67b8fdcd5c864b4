// Package attach lets a host use an extension process that it did not start, such as one in a debugger. The process waits at a
// Unix socket that only its own user can reach; over it a host hands it what a process gets when it is started: variables of
// the environment, and descriptors for its output and its tether. From there on everything is as ever, mutual TLS included.
//
// Both sides are here. It imports nothing of stagehouse.
package attach
