// Package anthropictest is a stand-in for Anthropic's Messages API, for tests: a server on a port of this machine that answers
// POST /v1/messages in a stream, as the public reference of the API has it, and refuses what the API refuses. It knows neither the
// vendor's client nor anything of stagehouse, so that it is a second reading of that reference.
//
// What a test has not scripted is answered by a model that counts: see [Server.Script].
package anthropictest
