package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// origins knows of which keys of the configuration the value comes from a reference. The zero value knows of none.
type origins struct {
	refs map[string]string // by the key, such as extensions.openai.apiKey
	keys *regexp.Regexp
}

func newOrigins(refs map[string]string) origins {
	if len(refs) == 0 {
		return origins{}
	}
	keys := slices.SortedFunc(maps.Keys(refs), longestFirst)
	for i, k := range keys {
		keys[i] = regexp.QuoteMeta(k)
	}
	return origins{refs, regexp.MustCompile(`\b(` + strings.Join(keys, "|") + `)\b`)}
}

// text returns t with the reference behind each key that has one.
func (o origins) text(t string) string {
	if o.keys == nil {
		return t
	}
	return o.keys.ReplaceAllStringFunc(t, func(key string) string { return key + " (" + o.refs[key] + ")" })
}
