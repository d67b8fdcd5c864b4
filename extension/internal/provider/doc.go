// Package provider is what the extensions have in common that think by asking a server over HTTP: how long they wait for it, how
// many steps ask it at a time, when they ask again, when they leave it alone, and what its errors mean. One place decides all of
// that, so the retries of a vendor's client are switched off.
//
// It knows no vendor's types: a [Client] is given to the vendor's client as its middleware, and calls it.
package provider
