// Package schema is the contract between agent runtimes, the host and extensions.
//
// It holds plain Go types and four small interfaces: [Agents], [Chat], [Memory] and [Events]; and a fifth,
// [Usage], for runtimes that know what their models use. A runtime implements them,
// package plugin carries them over a process boundary, and package sdk hands them to an extension. The same
// checks (schema/conform/services) run against an implementation directly, over an in-memory connection and through a real
// process, so the doc comments in this package are the contract and not a description of one implementation.
//
// Rules that hold for every method of every interface here:
//
//   - All methods are safe for concurrent use.
//   - The context carries the [Caller] (see [WithCaller]); a context without one is the anonymous caller, who may do nothing.
//   - An error is, or wraps, an [*Error] whose [ErrorCode] is stable. Anything else is treated as [CodeInternal].
//   - What a caller may not see does not exist for it: the error is [CodeNotFound], never [CodePermissionDenied].
//   - A method returns nil error only once its effect is durable.
//   - What is passed to a method or returned by one may be shared; neither side changes it afterwards.
//   - Text is valid UTF-8, times are UTC, ids are opaque and sort by creation time where the runtime assigned them.
//
// The package imports the standard library only, and no generated type appears in it. Package schema/wire converts to and
// from the protobuf messages of schema/gen.
package schema
