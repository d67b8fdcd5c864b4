// Package guard puts authorisation and the bounds of the contract in front of a runtime.
//
// A guarded call is checked in this order: its context is not over yet, somebody is calling (CodeUnauthenticated), the caller may read at all
// (CodePermissionDenied), the input is within bounds (CodeInvalidArgument), the thing it is about is one that the caller
// may see (CodeNotFound), and the caller's scopes cover the act (CodePermissionDenied). So a reader that tries to stop an
// agent learns that it may not, and one that tries to stop an agent that is not there learns that it is not there.
//
// What a runtime returns is checked again: a thing that belongs to somebody else is CodeNotFound or is left out, even if
// the runtime forgot to. The guard holds no state, starts nothing and may not know any runtime.
package guard
