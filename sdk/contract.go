package sdk

import "github.com/stagehouse/stagehouse/schema"

// Agent and the others are what an extension says and hears, under the names of package schema, so that its author imports one
// package. The interfaces of the services are documented there.
type (
	Agent        = schema.Agent
	AgentPage    = schema.AgentPage
	AgentPatch   = schema.AgentPatch
	AgentQuery   = schema.AgentQuery
	AgentStatus  = schema.AgentStatus
	Caller       = schema.Caller
	ChatEvent    = schema.ChatEvent
	Cursor       = schema.Cursor
	Error        = schema.Error
	ErrorCode    = schema.ErrorCode
	Event        = schema.Event
	EventQuery   = schema.EventQuery
	EventType    = schema.EventType
	HostServices = schema.HostServices
	MemoryHit    = schema.MemoryHit
	MemoryItem   = schema.MemoryItem
	MemoryQuery  = schema.MemoryQuery
	Message      = schema.Message
	NewMemory    = schema.NewMemory
	Object       = schema.Object
	Once         = schema.Once
	Problem      = schema.Problem
	Run          = schema.Run
	SendRequest  = schema.SendRequest
	Services     = schema.Services
	Scope        = schema.Scope
	UsageQuery   = schema.UsageQuery
	UsageReport  = schema.UsageReport
)

// Names of services, for Definition.Requires.
const (
	ServiceAgents   = schema.ServiceAgents
	ServiceChat     = schema.ServiceChat
	ServiceMemory   = schema.ServiceMemory
	ServiceEvents   = schema.ServiceEvents
	ServiceUsage    = schema.ServiceUsage
	ServiceIdentity = schema.ServiceIdentity
)

// Scopes, for Host.Self.
const (
	ScopeRead  = schema.ScopeRead
	ScopeChat  = schema.ScopeChat
	ScopeAdmin = schema.ScopeAdmin
)

// Severities, for Problem.
const (
	SeverityError   = schema.SeverityError
	SeverityWarning = schema.SeverityWarning
)

// Codes of errors that an extension looks at, beside what ErrorCode.Retryable says.
const (
	CodeAgentNotRunning = schema.CodeAgentNotRunning
	CodeAlreadyExists   = schema.CodeAlreadyExists
	CodeInvalidArgument = schema.CodeInvalidArgument
	CodeNotFound        = schema.CodeNotFound
	CodeUnavailable     = schema.CodeUnavailable
)

// EventGap is the type of the event that says that others are missing, see schema.Events.
const EventGap = schema.EventGap

// RunCancelled is the status of a run that was cancelled; see schema.RunStatus.
const RunCancelled = schema.RunCancelled

// ParseCursor reads a place in the event log from a text, such as Run.Since.
func ParseCursor(text string) (Cursor, error) { return schema.ParseCursor(text) }

// CodeOf returns the code of an error of a service, see schema.CodeOf.
func CodeOf(err error) ErrorCode { return schema.CodeOf(err) }
