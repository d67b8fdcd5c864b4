package config

import (
	"encoding/json"
	"errors"

	"github.com/stagehouse/stagehouse/host/internal/strictjson"
)

// strictJSON is the koanf parser of the configuration.
type strictJSON struct{}

var _ interface {
	Unmarshal([]byte) (map[string]any, error)
	Marshal(map[string]any) ([]byte, error)
} = strictJSON{}

// Unmarshal reads one JSON object.
func (strictJSON) Unmarshal(b []byte) (map[string]any, error) {
	v, err := strictjson.Decode(b)
	if err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("the configuration must be one JSON object, in braces")
	}
	return m, nil
}

// Marshal is the inverse of Unmarshal.
func (strictJSON) Marshal(m map[string]any) ([]byte, error) { return json.Marshal(m) }
