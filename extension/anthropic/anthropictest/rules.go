package anthropictest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// refusal is an error of the API.
type refusal struct {
	status        int
	kind, message string
}

func invalid(format string, args ...any) *refusal {
	return &refusal{http.StatusBadRequest, "invalid_request_error", fmt.Sprintf(format, args...)}
}

var (
	validID   = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
	validName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)
)

// Generations of models, which differ in what they take. Those up to 4.5 take a budget of thinking and go on with a last message of
// their own; 4.6 has no more of the latter; what came after it takes neither,
// nor a temperature, top_p or top_k, and thinks unless it is told not to.
var (
	upTo45 = regexp.MustCompile(`^claude-(3|[a-z]+-4-[0-5](-|$)|[a-z]+-4-20)`)
	upTo46 = regexp.MustCompile(`^claude-(3|[a-z]+-4-[0-6](-|$)|[a-z]+-4-20|mythos-preview)`)
)

// check returns what the API refuses in a request.
func (s *Server) check(r Request) *refusal {
	for _, rule := range []func(Request) *refusal{checkShape, checkModel, checkTools, checkSampling, checkThinking, s.checkMessages, checkCalls, s.checkThoughts, checkCaching} {
		if no := rule(r); no != nil {
			return no
		}
	}
	return nil
}

func checkShape(r Request) *refusal {
	switch {
	case r.Model == "":
		return invalid("model: Field required")
	case r.MaxTokens == nil:
		return invalid("max_tokens: Field required")
	case *r.MaxTokens < 1:
		return invalid("max_tokens: Input should be greater than or equal to 1")
	case *r.MaxTokens > 128_000:
		return invalid("max_tokens: %d > 128000, which is the maximum allowed number of output tokens for %s", *r.MaxTokens, r.Model)
	case len(r.Messages) == 0:
		return invalid("messages: at least one message is required")
	case !r.Stream:
		return invalid("stream: the stand-in answers in streams only")
	}
	for i, b := range r.System {
		if b.Type != "text" || strings.TrimSpace(b.Text) == "" {
			return invalid("system.%d: text content blocks must be non-empty", i)
		}
	}
	for _, stop := range r.StopSequences {
		if strings.TrimSpace(stop) == "" {
			return invalid("stop_sequences: each stop sequence must contain non-whitespace")
		}
	}
	return nil
}

func checkModel(r Request) *refusal {
	if !strings.HasPrefix(r.Model, "claude-") {
		return &refusal{http.StatusNotFound, "not_found_error", "model: " + r.Model}
	}
	return nil
}

func checkTools(r Request) *refusal {
	names := map[string]bool{}
	for i, t := range r.Tools {
		var schema struct {
			Type string `json:"type"`
		}
		switch {
		case !validName.MatchString(t.Name):
			return invalid("tools.%d.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'", i)
		case names[t.Name]:
			return invalid("tools: Tool names must be unique.")
		case json.Unmarshal(t.InputSchema, &schema) != nil || schema.Type != "object":
			return invalid("tools.%d.custom.input_schema.type: Input should be 'object'", i)
		}
		names[t.Name] = true
	}
	if c := r.ToolChoice; c != nil && (!slices.Contains([]string{"auto", "any", "tool", "none"}, c.Type) || len(r.Tools) == 0) {
		return invalid("tool_choice: may only be specified while providing tools")
	}
	return nil
}

func checkSampling(r Request) *refusal {
	switch {
	case r.Temperature != nil && (*r.Temperature < 0 || *r.Temperature > 1):
		return invalid("temperature: range: 0..1")
	case !upTo46.MatchString(r.Model) && (r.Temperature != nil || r.TopP != nil || r.TopK != nil):
		return invalid("`temperature`, `top_p` and `top_k` are not supported for this model")
	case r.Temperature != nil && r.TopP != nil:
		return invalid("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
	}
	return nil
}

func checkThinking(r Request) *refusal {
	t := r.Thinking
	if t == nil || t.Type == "disabled" {
		return nil
	}
	forced := r.ToolChoice != nil && (r.ToolChoice.Type == "any" || r.ToolChoice.Type == "tool")
	switch {
	case t.Type == "adaptive" && upTo45.MatchString(r.Model):
		return invalid("adaptive thinking is not supported on this model")
	case t.Type == "enabled" && !upTo46.MatchString(r.Model):
		return invalid("\"thinking.type.enabled\" is not supported for this model. Use \"thinking.type.adaptive\" and \"output_config.effort\" to control thinking behavior.")
	case t.Type == "enabled" && t.BudgetTokens < 1024:
		return invalid("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
	case t.Type == "enabled" && t.BudgetTokens >= *r.MaxTokens:
		return invalid("`max_tokens` must be greater than `thinking.budget_tokens`.")
	case r.Temperature != nil && *r.Temperature != 1:
		return invalid("`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.")
	case r.TopP != nil && *r.TopP < 0.95:
		return invalid("`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.")
	case r.TopK != nil:
		return invalid("`top_k` must be unset when thinking is enabled.")
	case forced:
		return invalid("Thinking may not be enabled when tool_choice forces tool use.")
	}
	return nil
}

func (s *Server) checkMessages(r Request) *refusal {
	for i, m := range r.Messages {
		prefill := i == len(r.Messages)-1 && m.Role == "assistant" && !s.hasPaused(m.Content.Text())
		switch {
		case m.Role != "user" && m.Role != "assistant":
			return invalid("messages.%d.role: Input should be 'user' or 'assistant'", i)
		case i == 0 && m.Role != "user":
			return invalid("messages: first message must use the \"user\" role")
		case i > 0 && m.Role == r.Messages[i-1].Role:
			return invalid("messages: roles must alternate between \"user\" and \"assistant\", but found multiple %q roles in a row", m.Role)
		case len(m.Content) == 0:
			return invalid("messages.%d: all messages must have non-empty content", i)
		case prefill && (!upTo45.MatchString(r.Model) || r.Thinking != nil && r.Thinking.Type != "disabled"):
			return invalid("This model does not support assistant message prefill. The conversation must end with a user message.")
		case prefill && m.Content.Text() != strings.TrimRight(m.Content.Text(), " \t\r\n"):
			return invalid("messages: final assistant content cannot end with trailing whitespace")
		}
		for n, b := range m.Content {
			if no := checkBlock(fmt.Sprintf("messages.%d.content.%d", i, n), m.Role, b); no != nil {
				return no
			}
		}
	}
	return nil
}

func checkBlock(at, role string, b Block) *refusal {
	switch own := role == "assistant"; {
	case b.Type == "text" && b.Text == "":
		return invalid("messages: text content blocks must be non-empty")
	case b.Type == "text" && strings.TrimSpace(b.Text) == "":
		return invalid("messages: text content blocks must contain non-whitespace text")
	case b.Type == "text":
	case b.Type == "tool_use" && own:
		var input map[string]any
		switch {
		case !validID.MatchString(b.ID):
			return invalid("%s.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'", at)
		case json.Unmarshal(b.Input, &input) != nil:
			return invalid("%s.tool_use.input: Input should be a valid dictionary", at)
		}
	case b.Type == "tool_result" && !own:
		for _, inner := range b.Content {
			if inner.Type == "text" && inner.Text == "" {
				return invalid("%s.tool_result.content: text content blocks must be non-empty", at)
			}
		}
	case (b.Type == "thinking" || b.Type == "redacted_thinking") && own:
	default:
		return invalid("%s: a block of type %q cannot be in a message of %s", at, b.Type, role)
	}
	return nil
}

// checkCalls holds that the results of all calls come first in the message after them.
func checkCalls(r Request) *refusal {
	seen := map[string]bool{}
	var open []string // calls of the message before
	for i, m := range r.Messages {
		var results []string
		for n, b := range m.Content {
			switch b.Type {
			case "tool_result":
				if n != len(results) || !slices.Contains(open, b.ToolUseID) {
					return invalid("messages.%d.content.%d: unexpected `tool_use_id` found in `tool_result` blocks: %s. Each `tool_result` block must have a corresponding `tool_use` block in the previous message.", i, n, b.ToolUseID)
				}
				results = append(results, b.ToolUseID)
			case "tool_use":
				if seen[b.ID] {
					return invalid("messages.%d.content.%d: `tool_use` ids must be unique", i, n)
				}
				seen[b.ID] = true
			}
		}
		for _, id := range open {
			if !slices.Contains(results, id) {
				return invalid("messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s. Each `tool_use` block must have a corresponding `tool_result` block in the next message.", i-1, id)
			}
		}
		open = nil
		for _, b := range m.Content {
			if b.Type == "tool_use" {
				open = append(open, b.ID)
			}
		}
	}
	switch {
	case len(open) > 0:
		return invalid("messages: `tool_use` ids were found without `tool_result` blocks immediately after: %s", open[0])
	case len(seen) > 0 && len(r.Tools) == 0:
		return invalid("Requests which include `tool_use` or `tool_result` blocks must define tools.")
	}
	return nil
}

// checkThoughts holds that thoughts come back as they were given, and come back at all while tools are used.
func (s *Server) checkThoughts(r Request) *refusal {
	for i, m := range r.Messages {
		for n, b := range m.Content {
			switch {
			case b.Type == "thinking" && b.Signature != s.sign(b.Thinking):
				return invalid("messages.%d.content.%d: Invalid `signature` in `thinking` block", i, n)
			case b.Type == "redacted_thinking" && b.Data != s.redact():
				return invalid("messages.%d.content.%d: Invalid `data` in `redacted_thinking` block", i, n)
			}
		}
	}
	turn := len(r.Messages) - 1 // where the turn that goes on begins: the last message of the user that is no result
	for ; turn > 0 && (r.Messages[turn].Role != "user" || r.Messages[turn].Content[len(r.Messages[turn].Content)-1].Type == "tool_result"); turn-- {
	}
	thinks := r.Thinking != nil && r.Thinking.Type == "enabled"
	for i, m := range r.Messages[turn:] {
		thought := m.Content[0].Type == "thinking" || m.Content[0].Type == "redacted_thinking"
		switch {
		case m.Role != "assistant":
		case thinks && !thought:
			return invalid("messages.%d.content.0.type: Expected `thinking` or `redacted_thinking`, but found `%s`. When `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of `tool_use` and `tool_result` blocks).", turn+i, m.Content[0].Type)
		case thought && (r.Thinking == nil && upTo46.MatchString(r.Model) || r.Thinking != nil && r.Thinking.Type == "disabled"):
			return invalid("messages.%d.content.0: When thinking is disabled, an `assistant` message in the final position cannot contain `thinking`. To use thinking blocks, enable `thinking` in your request.", turn+i)
		}
	}
	return nil
}

func checkCaching(r Request) *refusal {
	marks := 0
	count := func(c *Cache) {
		if c != nil {
			marks++
		}
	}
	for _, t := range r.Tools {
		count(t.CacheControl)
	}
	for _, b := range r.System {
		count(b.CacheControl)
	}
	for i, m := range r.Messages {
		for n, b := range m.Content {
			count(b.CacheControl)
			if b.CacheControl != nil && strings.HasSuffix(b.Type, "thinking") {
				return invalid("messages.%d.content.%d.%s.cache_control: Extra inputs are not permitted", i, n, b.Type)
			}
		}
	}
	if marks > 4 {
		return invalid("A maximum of 4 blocks with cache_control may be provided. Found %d.", marks)
	}
	return nil
}
