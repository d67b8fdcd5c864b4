package apitest

// closeAnswers has every object that says which members it has, and not what others may be, have no others. What is a part of an
// allOf stays open; the whole of it is closed.
func closeAnswers(document any) {
	parts := map[string]bool{}
	eachSchema(document, "#", func(v map[string]any, _ string) {
		all, _ := v["allOf"].([]any)
		for _, part := range all {
			if m, ok := part.(map[string]any); ok {
				ref, _ := m["$ref"].(string)
				parts[ref] = true
			}
		}
	})
	eachSchema(document, "#", func(v map[string]any, at string) {
		_, named := v["properties"].(map[string]any)
		_, whole := v["allOf"].([]any)
		_, said := v["additionalProperties"]
		if !parts[at] && !said && (whole || named && v["type"] == "object") {
			v["unevaluatedProperties"] = false
		}
	})
}

// eachSchema calls f with every object of a document and its JSON pointer, but for the inline parts of an allOf.
func eachSchema(node any, at string, f func(v map[string]any, at string)) {
	switch v := node.(type) {
	case map[string]any:
		f(v, at)
		for name, child := range v {
			if parts, ok := child.([]any); ok && name == "allOf" {
				for _, part := range parts {
					if m, ok := part.(map[string]any); ok {
						eachSchema(m["properties"], at, f)
					}
				}
				continue
			}
			eachSchema(child, at+"/"+pointer.Replace(name), f)
		}
	case []any:
		for _, child := range v {
			eachSchema(child, at+"/-", f)
		}
	}
}
