package apitest

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
)

// undeclaredQuery finds parameters that the document does not have, which kin-openapi does not look for. Operations that are
// open to all take any: probes add something against caches.
func undeclaredQuery(given url.Values, route *routers.Route) error {
	if security := route.Operation.Security; security != nil && len(*security) == 0 {
		return nil
	}
	parameters := append(slices.Clone(route.PathItem.Parameters), route.Operation.Parameters...)
	var found []error
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.ContainsFunc(parameters, func(p *openapi3.ParameterRef) bool { return declares(p.Value, name) }) {
			found = append(found, fmt.Errorf("there is no query parameter %q", name))
		}
	}
	return errors.Join(found...)
}

// declares reports whether a parameter is that of the query with this name. An exploded object is sent as a parameter for each
// of its members.
func declares(p *openapi3.Parameter, name string) bool {
	if p.In != openapi3.ParameterInQuery {
		return false
	}
	if p.Style != openapi3.SerializationForm || !p.Schema.Value.Type.Is(openapi3.TypeObject) {
		return p.Name == name
	}
	if p.Schema.Value.Properties[name] != nil {
		return true
	}
	for pattern := range p.Schema.Value.PatternProperties {
		if matched, err := regexp.MatchString(pattern, name); err == nil && matched {
			return true
		}
	}
	return false
}
