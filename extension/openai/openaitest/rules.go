package openaitest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

func refusal(status int, kind, code, format string, args ...any) *Reply {
	r := Refuse(status, kind, code, fmt.Sprintf(format, args...))
	return &r
}

func invalid(code, format string, args ...any) *Reply {
	return refusal(http.StatusBadRequest, "invalid_request_error", code, format, args...)
}

// unread returns the error for a body that cannot be read.
func unread(err error) *Reply {
	if _, name, ok := strings.Cut(err.Error(), "unknown field "); ok {
		return invalid("", "Unrecognized request argument supplied: %s", strings.Trim(name, `"`))
	}
	return invalid("", "We could not parse the JSON body of your request. (%v)", err)
}

var (
	validName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	known     = regexp.MustCompile(`^(gpt-|o[0-9])`)
	// reasons are models that reason, which take other parameters.
	reasons = regexp.MustCompile(`^(gpt-[5-9]|o[0-9])`)
	efforts = []string{"none", "minimal", "low", "medium", "high", "xhigh", "max"}
)

// check returns what the API refuses in a request.
func (s *Server) check(r Request) *Reply {
	rules := []func(Request) *Reply{checkShape, checkTools, checkMessages, checkCalls}
	if !s.Habits.AnyModel {
		rules = append(rules, checkModel)
	}
	if s.Habits.OldLimit {
		rules = append(rules, checkOldLimit)
	}
	if s.Habits.TakesTurns {
		rules = append(rules, checkTurns)
	}
	for _, rule := range rules {
		if no := rule(r); no != nil {
			return no
		}
	}
	return nil
}

func checkShape(r Request) *Reply {
	outside := func(v *float64, least, most float64) bool { return v != nil && (*v < least || *v > most) }
	switch {
	case r.Model == "":
		return invalid("", "you must provide a model parameter")
	case len(r.Messages) == 0:
		return invalid("empty_array", "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	case !r.Stream:
		return invalid("", "stream: the stand-in answers in streams only")
	case r.MaxTokens != nil && r.MaxCompletionTokens != nil:
		return invalid("invalid_parameter_combination", "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
	case r.MaxTokens != nil && *r.MaxTokens < 1, r.MaxCompletionTokens != nil && *r.MaxCompletionTokens < 1:
		return invalid("integer_below_min_value", "Invalid 'max_completion_tokens': integer below minimum value.")
	case outside(r.Temperature, 0, 2), outside(r.TopP, 0, 1), outside(r.FrequencyPenalty, -2, 2), outside(r.PresencePenalty, -2, 2):
		return invalid("decimal_above_max_value", "Invalid sampling parameter: decimal out of range.")
	case len(r.Stop) > 4:
		return invalid("array_above_max_length", "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length %d instead.", len(r.Stop))
	}
	return nil
}

func checkModel(r Request) *Reply {
	unsupported := func(name string, instead string) *Reply {
		return invalid("unsupported_parameter", "Unsupported parameter: '%s' is not supported with this model.%s", name, instead)
	}
	reasons := reasons.MatchString(r.Model)
	switch {
	case !known.MatchString(r.Model):
		return refusal(http.StatusNotFound, "invalid_request_error", "model_not_found", "The model `%s` does not exist or you do not have access to it.", r.Model)
	case reasons && r.MaxTokens != nil:
		return unsupported("max_tokens", " Use 'max_completion_tokens' instead.")
	case reasons && r.Temperature != nil && *r.Temperature != 1:
		return invalid("unsupported_value", "Unsupported value: 'temperature' does not support %v with this model. Only the default (1) value is supported.", *r.Temperature)
	case reasons && r.TopP != nil:
		return unsupported("top_p", "")
	case reasons && r.Stop != nil:
		return unsupported("stop", "")
	case reasons && r.ReasoningEffort != "" && !slices.Contains(efforts, r.ReasoningEffort):
		return invalid("unsupported_value", "Unsupported value: 'reasoning_effort' does not support '%s' with this model.", r.ReasoningEffort)
	case !reasons && r.ReasoningEffort != "":
		return invalid("", "Unrecognized request argument supplied: reasoning_effort")
	case !reasons && r.Verbosity != "" && r.Verbosity != "medium":
		return invalid("unsupported_value", "Unsupported value: 'verbosity' does not support '%s' with this model.", r.Verbosity)
	}
	return nil
}

func checkOldLimit(r Request) *Reply {
	if r.MaxCompletionTokens != nil {
		return refusal(http.StatusUnprocessableEntity, "extra_forbidden", "", "max_completion_tokens: Extra inputs are not permitted")
	}
	return nil
}

func checkTools(r Request) *Reply {
	names := map[string]bool{}
	for i, t := range r.Tools {
		var shape struct {
			Type       string          `json:"type"`
			Properties json.RawMessage `json:"properties"`
		}
		switch name := t.Function.Name; {
		case t.Type != "function":
			return invalid("invalid_value", "Invalid value: '%s'. Supported values are: 'function' and 'custom'.", t.Type)
		case !validName.MatchString(name):
			return invalid("invalid_value", "Invalid 'tools[%d].function.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", i)
		case names[name]:
			return invalid("", "Invalid 'tools': duplicate function name %s", name)
		case t.Function.Parameters == nil:
		case json.Unmarshal(t.Function.Parameters, &shape) != nil || shape.Type != "object":
			return invalid("invalid_function_parameters", "Invalid schema for function '%s': schema must be a JSON Schema of 'type: \"object\"', got 'type: \"%s\"'.", name, shape.Type)
		case shape.Properties == nil:
			return invalid("invalid_function_parameters", "Invalid schema for function '%s': In context=(), object schema missing properties.", name)
		}
		names[t.Function.Name] = true
	}
	switch {
	case r.Tools != nil && len(r.Tools) == 0:
		return invalid("empty_array", "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	case r.ToolChoice != nil && len(r.Tools) == 0:
		return invalid("", "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.")
	case r.ParallelToolCalls != nil && len(r.Tools) == 0:
		return invalid("", "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.")
	case r.ToolChoice != nil && !slices.Contains([]string{`"auto"`, `"none"`, `"required"`}, string(r.ToolChoice)):
		return invalid("invalid_value", "Invalid value: %s. Supported values are: 'none', 'auto', and 'required'.", r.ToolChoice)
	}
	return nil
}

func checkMessages(r Request) *Reply {
	for i, m := range r.Messages {
		switch {
		case !slices.Contains([]string{"system", "developer", "user", "assistant", "tool"}, m.Role):
			return invalid("invalid_value", "Invalid value: '%s'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.", m.Role)
		case m.Content == nil && (m.Role != "assistant" || len(m.ToolCalls) == 0):
			return invalid("", "Invalid value for 'content': expected a string, got null.")
		case m.Role != "assistant" && len(m.ToolCalls) > 0, m.Role != "tool" && m.ToolCallID != "":
			return invalid("", "Invalid 'messages[%d]': a message of the role %s has no calls and no results.", i, m.Role)
		case m.ToolCalls != nil && len(m.ToolCalls) == 0:
			return invalid("empty_array", "Invalid 'messages[%d].tool_calls': empty array. Expected an array with minimum length 1, but got an empty array instead.", i)
		}
		for n, c := range m.ToolCalls {
			switch {
			case c.Type != "function" || !validName.MatchString(c.Function.Name):
				return invalid("invalid_value", "Invalid 'messages[%d].tool_calls[%d]'", i, n)
			case c.ID == "":
				return invalid("missing_required_parameter", "Missing required parameter: 'messages[%d].tool_calls[%d].id'.", i, n)
			case len(c.ID) > 40:
				return invalid("string_above_max_length", "Invalid 'messages[%d].tool_calls[%d].id': string too long. Expected a string with maximum length 40, but got a string with length %d instead.", i, n, len(c.ID))
			}
		}
	}
	return nil
}

// checkCalls holds that the results of all calls come next after them.
func checkCalls(r Request) *Reply {
	open := map[string]bool{}
	for i, m := range r.Messages {
		if m.Role == "tool" {
			if !open[m.ToolCallID] {
				return invalid("", "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'. (messages[%d])", i)
			}
			delete(open, m.ToolCallID)
			continue
		}
		if no := unanswered(open); no != nil {
			return no
		}
		for _, c := range m.ToolCalls {
			if open[c.ID] {
				return invalid("", "Duplicate value for 'tool_call_id' of '%s' found in message with role 'assistant'.", c.ID)
			}
			open[c.ID] = true
		}
	}
	return unanswered(open)
}

func unanswered(open map[string]bool) *Reply {
	for id := range open {
		return invalid("", "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: %s", id)
	}
	return nil
}

// checkTurns holds what the templates of many models want.
func checkTurns(r Request) *Reply {
	last := "assistant"
	for i, m := range r.Messages {
		switch {
		case m.Role == "system" && i == 0, m.Role == "tool":
			continue
		case m.Role == "assistant" && i > 0 && r.Messages[i-1].Role == "tool":
		case m.Role == "user" && i > 0 && r.Messages[i-1].Role == "tool":
		case m.Role == last:
			return invalid("", "Conversation roles must alternate user/assistant/user/assistant/...")
		}
		last = m.Role
	}
	if r.Messages[len(r.Messages)-1].Role == "assistant" {
		return invalid("", "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant")
	}
	return nil
}
