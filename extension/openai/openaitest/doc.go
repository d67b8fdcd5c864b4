// Package openaitest is a stand-in for OpenAI's API, for tests: a server on a port of this machine that answers POST
// /v1/chat/completions in a stream, and POST /v1/embeddings, as the public reference of the API has it, and refuses what the API
// refuses. It can take on the habits of other servers with the same API (see [Habits]). It knows neither the vendor's client
// nor anything of stagehouse, so that it is a second reading of that reference.
//
// What a test has not scripted is answered by a model that counts: see [Server.Script].
package openaitest
