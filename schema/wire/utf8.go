package wire

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// invalidText returns the place of the first string in m that is not valid UTF-8, or "". Protobuf refuses such a message
// without saying where, and it only has to be looked for once that has happened.
func invalidText(m proto.Message) string {
	if m == nil || !m.ProtoReflect().IsValid() {
		return ""
	}
	// The mutable fields of an agent stand in a message of their own; their names are what the caller knows.
	return strings.TrimPrefix(invalidIn(m.ProtoReflect()), "values.")
}

func invalidIn(m protoreflect.Message) (where string) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if !fd.IsList() {
			where = invalidValue(fd, fd.JSONName(), v)
			return where == ""
		}
		for i := range v.List().Len() {
			if where = invalidValue(fd, fmt.Sprintf("%s[%d]", fd.JSONName(), i), v.List().Get(i)); where != "" {
				return false
			}
		}
		return true
	})
	return where
}

func invalidValue(fd protoreflect.FieldDescriptor, name string, v protoreflect.Value) string {
	switch fd.Kind() {
	case protoreflect.StringKind:
		if !utf8.ValidString(v.String()) {
			return name
		}
	case protoreflect.MessageKind:
		if in := invalidIn(v.Message()); in != "" {
			return name + "." + in
		}
	}
	return ""
}
