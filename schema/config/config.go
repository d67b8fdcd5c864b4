// Package config holds the JSON Schemas (2020-12) of the configuration: host.schema.json for the whole file,
// api.schema.json for the block of the API server, and agent.schema.json for an agent that is a file of its own, so that an editor can complete and check them.
package config

import _ "embed"

// Host is the schema of the configuration file. Inside extensions.<name> it knows the host's own keys only; the other
// keys are checked against the schema that the extension declares.
//
//go:embed host.schema.json
var Host []byte

// API is the schema of the block of the API server, as the server declares it; a test in extension/api compares the two.
//
//go:embed api.schema.json
var API []byte

// Agent is the schema of a file in the folder agents; package host/character says what its keys mean.
//
//go:embed agent.schema.json
var Agent []byte
