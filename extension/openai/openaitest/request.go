package openaitest

import (
	"bytes"
	"encoding/json"
	"net/http"
)

// Request is what the server was asked for an answer.
type Request struct {
	Header http.Header                `json:"-"`
	Keys   map[string]json.RawMessage `json:"-"` // all of the body

	Model               string          `json:"model"`
	Messages            []Message       `json:"messages"`
	Tools               []Tool          `json:"tools"`
	ToolChoice          json.RawMessage `json:"tool_choice"`
	ParallelToolCalls   *bool           `json:"parallel_tool_calls"`
	Stream              bool            `json:"stream"`
	StreamOptions       *StreamOptions  `json:"stream_options"`
	MaxTokens           *int            `json:"max_tokens"`
	MaxCompletionTokens *int            `json:"max_completion_tokens"`
	Temperature         *float64        `json:"temperature"`
	TopP                *float64        `json:"top_p"`
	FrequencyPenalty    *float64        `json:"frequency_penalty"`
	PresencePenalty     *float64        `json:"presence_penalty"`
	Seed                *int64          `json:"seed"`
	Stop                []string        `json:"stop"`
	ReasoningEffort     string          `json:"reasoning_effort"`
	Verbosity           string          `json:"verbosity"`
	ServiceTier         string          `json:"service_tier"`
}

// StreamOptions says what is in a stream.
type StreamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

// Message is one message of a request.
type Message struct {
	Role             string     `json:"role"`
	Content          *string    `json:"content"`
	ToolCalls        []ToolCall `json:"tool_calls"`
	ToolCallID       string     `json:"tool_call_id"`
	ReasoningContent string     `json:"reasoning_content"` // of servers that show it
	Reasoning        string     `json:"reasoning"`         // of servers that show it
}

// Text returns the content.
func (m Message) Text() string {
	if m.Content == nil {
		return ""
	}
	return *m.Content
}

// ToolCall is a call in a message.
type ToolCall struct {
	ID       string   `json:"id"`
	Type     string   `json:"type"`
	Function Function `json:"function"`
}

// Function is what is called.
type Function struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// Tool is a tool that the model may call.
type Tool struct {
	Type     string     `json:"type"`
	Function Definition `json:"function"`
}

// Definition describes a function.
type Definition struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
	Strict      *bool           `json:"strict"`
}

// EmbeddingRequest is what the server was asked for vectors.
type EmbeddingRequest struct {
	Model          string   `json:"model"`
	Input          []string `json:"input"`
	Dimensions     *int     `json:"dimensions"`
	EncodingFormat string   `json:"encoding_format"`
}

// read reads the body of a request.
func read[T any](body []byte, anyKey bool) (r T, keys map[string]json.RawMessage, err error) {
	if err := json.Unmarshal(body, &keys); err != nil {
		return r, nil, err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if !anyKey {
		d.DisallowUnknownFields()
	}
	return r, keys, d.Decode(&r)
}
