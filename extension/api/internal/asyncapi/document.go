// Package asyncapi describes the WebSocket of the API as an AsyncAPI 3.0 document. It only writes down what package ws and
// package schema say about frames and events, and knows none by name.
package asyncapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/stagehouse/stagehouse/extension/api/ws"
)

// Groups of messages and operations.
const (
	tagCommands = "commands"
	tagEvents   = "events"
	tagSocket   = "socket"
)

// Names in the document.
const (
	socket      = "socket"
	bearer      = "token"
	correlation = "commandId"
)

// SchemasAt is the prefix of the references that a registry of schemas must make.
const SchemasAt = "#/components/schemas/"

// FormatVersion is the version of AsyncAPI that the document is in.
const FormatVersion = "3.0.0"

// Document returns the document as JSON: that of a version of the server, whose types the registry describes, and whose runtime
// offers those services. The registry is used up.
func Document(version string, r huma.Registry, offers func(service string) bool) []byte {
	b := &builder{registry: r, offers: offers, messages: map[string]message{}, schemas: map[string]*huma.Schema{}}
	registerEnums(r)
	operations := b.operations()
	secured := []ref{to("components", "securitySchemes", bearer)}
	doc := document{
		AsyncAPI: FormatVersion,
		Info: info{
			Title: "stagehouse WebSocket", Version: version,
			Description: "Agents of any runtime over a WebSocket: talk to them, and follow what they think, feel and do. The REST side is described by `/openapi.json`.",
			Contact:     contact{"stagehouse", "https://github.com/stagehouse/stagehouse", "stagehouse@users.noreply.github.com"},
			License:     license{"Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0"},
			Tags:        []ref{to("components", "tags", tagCommands), to("components", "tags", tagEvents), to("components", "tags", tagSocket)},
		},
		DefaultContentType: "application/json",
		Servers: map[string]server{
			"local":   {"127.0.0.1:3001", "ws", "A host as it is, where it listens unless the configuration says otherwise", secured},
			"proxied": {"agents.example.com", "wss", "A host behind a proxy that ends TLS, under a name of yours", secured},
		},
		Channels: map[string]channel{socket: {
			Address: "/ws", Title: "The WebSocket", Description: about(), CloseCodes: ws.CloseCodes(), Messages: b.channelMessages(),
			Bindings: bindings{WS: wsBinding{Method: "GET", Headers: upgradeHeaders(), BindingVersion: "0.1.0"}},
		}},
		Operations: operations,
		Components: components{
			Schemas: b.allSchemas(), Messages: b.messages,
			Tags: map[string]tag{
				tagCommands: {tagCommands, "What clients send, and what answers it"},
				tagEvents:   {tagEvents, "What happens"},
				tagSocket:   {tagSocket, "The beginning and the end of a socket"},
			},
			SecuritySchemes: map[string]securityScheme{bearer: {
				Type: "http", Scheme: "bearer",
				Description: "A token of the host (`stagehouse token create`), in the header Authorization of the upgrade request, or else in the first frame, `auth`",
			}},
			CorrelationIDs: map[string]correlationID{correlation: {
				Description: "The name that a client has given its command", Location: "$message.payload#/id",
			}},
		},
	}
	return encode(doc)
}

// about is the description of the channel.
func about() string {
	var b strings.Builder
	b.WriteString(ws.About())
	b.WriteString("\n\n**Close codes.**\n\n| code | when |\n|---|---|\n")
	for _, c := range ws.CloseCodes() {
		fmt.Fprintf(&b, "| %d | %s |\n", c.Code, c.About)
	}
	return b.String()
}

// upgradeHeaders describes the headers of the request that opens a socket.
func upgradeHeaders() *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: true,
		Properties: map[string]*huma.Schema{"Authorization": {
			Type: huma.TypeString, Pattern: `^[Bb]earer .+$`, Examples: []any{"Bearer your-auth-token"},
			Description: "Authenticates the socket from its beginning. With a bad token the upgrade is refused by 401; without the header, send `auth` first",
		}},
	}
}

// encode writes the document for people to read, too.
func encode(doc document) []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(doc); err != nil {
		panic("asyncapi: encode the document: " + err.Error()) // it is the same at every start
	}
	return out.Bytes()
}
