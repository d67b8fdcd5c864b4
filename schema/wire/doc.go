// Package wire carries the interfaces of package schema over gRPC.
//
// It has three parts: pure conversions between the types of schema and the generated messages (ToX and FromX, one file
// per concept), client adapters that make a connection look like [schema.Services] (see [Dial]), and server adapters that
// put [schema.Services] behind a gRPC server (see [Register]). It decides nothing: authorisation and bounds belong to the
// host, and the only thing it adds to a call is the extension's name, which is never believed from the wire.
//
// Conversions keep every value, with one exception that makes both forms canonical: an empty [schema.Object] becomes
// nil, and a list that JSON shows as [] becomes an empty list and never nil. Free-form objects travel as JSON bytes, so
// that no digit of a number is lost.
package wire
