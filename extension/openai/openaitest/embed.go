package openaitest

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"math"
	"net/http"
	"strings"
)

// Bounds of a request for vectors, and the length of one that is not told.
const (
	maxInputs     = 2048
	maxInputWords = 8192 // a word is a token here
	dimensions    = 64
)

// embed answers a request for vectors.
func (s *Server) embed(w http.ResponseWriter, r *http.Request, body []byte) *Reply {
	asked, _, err := read[EmbeddingRequest](body, s.Habits.AnyKey)
	if err != nil {
		return unread(err)
	}
	s.mu.Lock()
	s.embedded = append(s.embedded, asked)
	s.mu.Unlock()
	if no := s.checkEmbedding(asked); no != nil {
		return no
	}
	reply := s.next(func() Reply { return Reply{} })
	switch {
	case !awaited(r.Context(), reply.Hold):
		return nil
	case reply.Status != 0:
		return &reply
	}
	n, used := dimensions, 0
	if asked.Dimensions != nil {
		n = *asked.Dimensions
	}
	var data []object
	for i, text := range asked.Input {
		used += len(strings.Fields(text))
		one := object{"object": "embedding", "index": i, "embedding": encoded(Vector(text, n), asked.EncodingFormat)}
		if s.Habits.NoVectorIDs {
			delete(one, "index")
			data = append(data, one)
			continue
		}
		data = append([]object{one}, data...) // in no order that anybody was promised
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(object{ // a client that has left does not read it
		"object": "list", "data": data, "model": asked.Model, "usage": object{"prompt_tokens": used, "total_tokens": used},
	})
	return nil
}

func (s *Server) checkEmbedding(r EmbeddingRequest) *Reply {
	switch {
	case r.Model == "":
		return invalid("", "you must provide a model parameter")
	case !s.Habits.AnyModel && !strings.HasPrefix(r.Model, "text-embedding-"):
		return refusal(http.StatusNotFound, "invalid_request_error", "model_not_found", "The model `%s` does not exist or you do not have access to it.", r.Model)
	case len(r.Input) == 0 || len(r.Input) > maxInputs:
		return invalid("", "'$.input' is invalid. Please check the API reference.")
	case r.Dimensions != nil && !s.Habits.AnyModel && !strings.HasPrefix(r.Model, "text-embedding-3"):
		return invalid("", "This model does not support specifying dimensions.")
	case r.Dimensions != nil && *r.Dimensions < 1:
		return invalid("integer_below_min_value", "Invalid 'dimensions': integer below minimum value.")
	case r.EncodingFormat != "" && r.EncodingFormat != "float" && r.EncodingFormat != "base64":
		return invalid("", "Invalid value for 'encoding_format'.")
	}
	for _, text := range r.Input {
		switch words := len(strings.Fields(text)); {
		case text == "":
			return invalid("", "'$.input' is invalid. Please check the API reference.")
		case words > maxInputWords:
			return invalid("", "This model's maximum context length is %d tokens, however you requested %d tokens. Please reduce your prompt.", maxInputWords, words)
		}
	}
	return nil
}

// Vector returns the vector of a text: of length 1, and near to that of a text with the same words.
func Vector(text string, n int) []float32 {
	v := make([]float64, n)
	for _, word := range strings.Fields(strings.ToLower(text)) {
		h := fnv.New64a()
		h.Write([]byte(strings.Trim(word, ".,;:!?\"'()")))
		sum := h.Sum64()
		v[sum%uint64(n)]++
		v[(sum>>32)%uint64(n)] += 0.5
	}
	length := 0.0
	for _, f := range v {
		length += f * f
	}
	out := make([]float32, n)
	for i, f := range v {
		if length > 0 {
			out[i] = float32(f / math.Sqrt(length))
		}
	}
	return out
}

func encoded(v []float32, format string) any {
	if format != "base64" {
		return v
	}
	raw := make([]byte, 0, 4*len(v))
	for _, f := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
	}
	return base64.StdEncoding.EncodeToString(raw)
}
