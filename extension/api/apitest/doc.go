// Package apitest holds what the API server and its clients say to each other against the published contract. It is for tests,
// also for those of other clients of the API, and no program links it. Frames are for the WebSocket, Exchanges for REST.
//
// An Exchanges is made of the OpenAPI document. Its Transport stands in an http.Client, passes everything through unchanged,
// and fails the test when a request or an answer is not what the document says. Documents and values are judged by
// libraries that share nothing with the server: kin-openapi reads the document, finds operations, and judges parameters and
// headers; santhosh-tekuri/jsonschema judges bodies as JSON Schema 2020-12, which is what OpenAPI 3.1 means, by schemas that
// are compiled once. What neither looks for is looked for here: query parameters, headers and members of an answer that the
// document does not have, bodies where it has none, and operations that it does not know.
//
// A Tap is for clients that are no http.Client, in any language: it stands between them and the server, and reads along.
package apitest
