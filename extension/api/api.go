// Package api is the API server: it offers the agents of any runtime over REST and a WebSocket, to clients in any language.
//
// It is an extension like every other: it imports sdk and schema and nothing of the host, holds no state that matters,
// and may be killed at any moment. It is the only package that knows Fiber, and package ws below it the only one that
// knows the WebSocket library. What clients see is described by the documents that OpenAPI and AsyncAPI return.
package api

import (
	"github.com/stagehouse/stagehouse/sdk"
)

// Version is the version of the API server, and of the API that it describes.
const Version = "0.1.0"

// Definition returns the API server as an extension. It requires no service of a runtime: what is not offered is not in its
// documents, and answered by 501.
func Definition() sdk.Definition {
	return sdk.Definition{
		Name:    "api",
		Version: Version,
		Summary: "REST and WebSocket API server",
		New:     func() sdk.Extension { return New() },
	}
}

var (
	_ sdk.Extension = (*Server)(nil)
	_ sdk.Validator = (*Server)(nil)
	_ sdk.Teller    = (*Server)(nil)
	_ sdk.Mover     = (*Server)(nil)
	_ sdk.Requirer  = (*Server)(nil)
	_ sdk.Drainer   = (*Server)(nil)
)
