package asyncapi

import (
	"github.com/danielgtaylor/huma/v2"

	"github.com/stagehouse/stagehouse/schema"
)

// The objects of an AsyncAPI 3.0 document, as far as ours has them.
type (
	document struct {
		AsyncAPI           string               `json:"asyncapi"`
		Info               info                 `json:"info"`
		DefaultContentType string               `json:"defaultContentType"`
		Servers            map[string]server    `json:"servers"`
		Channels           map[string]channel   `json:"channels"`
		Operations         map[string]operation `json:"operations"`
		Components         components           `json:"components"`
	}
	info struct {
		Title       string  `json:"title"`
		Version     string  `json:"version"`
		Description string  `json:"description"`
		Contact     contact `json:"contact"`
		License     license `json:"license"`
		Tags        []ref   `json:"tags"`
	}
	contact struct {
		Name  string `json:"name"`
		URL   string `json:"url"`
		Email string `json:"email"`
	}
	license struct {
		Name string `json:"name"`
		URL  string `json:"url"`
	}
	tag struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	}
	server struct {
		Host        string `json:"host"`
		Protocol    string `json:"protocol"`
		Description string `json:"description"`
		Security    []ref  `json:"security"`
	}
	channel struct {
		Address     string         `json:"address"`
		Title       string         `json:"title"`
		Description string         `json:"description"`
		Messages    map[string]ref `json:"messages"`
		Bindings    bindings       `json:"bindings"`
		CloseCodes  any            `json:"x-close-codes"`
	}
	bindings struct {
		WS wsBinding `json:"ws"`
	}
	wsBinding struct {
		Method         string       `json:"method"`
		Headers        *huma.Schema `json:"headers"`
		BindingVersion string       `json:"bindingVersion"`
	}
	operation struct {
		Action      string             `json:"action"` // of the server: it receives what clients send
		Channel     ref                `json:"channel"`
		Title       string             `json:"title"`
		Summary     string             `json:"summary"`
		Description string             `json:"description"`
		Tags        []ref              `json:"tags"`
		Messages    []ref              `json:"messages"`
		Reply       *reply             `json:"reply,omitempty"`
		ErrorCodes  []schema.ErrorCode `json:"x-error-codes,omitempty"` // of the answer, if it is an error
	}
	reply struct {
		Channel  ref   `json:"channel"`
		Messages []ref `json:"messages"`
	}
	components struct {
		Schemas         map[string]*huma.Schema   `json:"schemas"`
		Messages        map[string]message        `json:"messages"`
		Tags            map[string]tag            `json:"tags"`
		SecuritySchemes map[string]securityScheme `json:"securitySchemes"`
		CorrelationIDs  map[string]correlationID  `json:"correlationIds"`
	}
	message struct {
		Name          string    `json:"name"`
		Title         string    `json:"title"`
		Summary       string    `json:"summary"`
		Description   string    `json:"description,omitempty"`
		Tags          []ref     `json:"tags"`
		CorrelationID *ref      `json:"correlationId,omitempty"`
		Payload       ref       `json:"payload"`
		Examples      []example `json:"examples"`
	}
	example struct {
		Name    string `json:"name"`
		Payload any    `json:"payload"`
	}
	securityScheme struct {
		Type        string `json:"type"`
		Scheme      string `json:"scheme"`
		Description string `json:"description"`
	}
	correlationID struct {
		Description string `json:"description"`
		Location    string `json:"location"`
	}
	ref struct {
		Ref string `json:"$ref"`
	}
)

// to returns a reference to the place in the document that the names lead to.
func to(names ...string) ref {
	r := ref{"#"}
	for _, n := range names {
		r.Ref += "/" + n
	}
	return r
}
