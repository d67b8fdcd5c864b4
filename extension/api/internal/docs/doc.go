// Package docs makes one HTML page of the two documents that describe the API: OpenAPI 3.1 for REST and AsyncAPI 3.0 for
// the WebSocket.
//
// The page is whole without a script and without a network: it loads its style sheet and a small script from where it came
// from, and nothing else. Nothing of a document is trusted, and nothing of it is dropped: texts are escaped, and what this
// package does not know the meaning of is shown as JSON beside what it knows.
//
// The package may not know HTTP, nor what the documents describe.
package docs
