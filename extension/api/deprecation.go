package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"
)

// Headers of a route that is not to be used any more, see RFC 9745 and RFC 8594.
const (
	headerDeprecation = "Deprecation"
	headerSunset      = "Sunset"
)

const deprecationKey = "deprecation"

// deprecation says that a route is not to be used any more. It is all that has to be said: the document, and every answer of
// the route, tell clients of it.
type deprecation struct {
	since  time.Time
	sunset time.Time // from when on the route may be gone; zero = not decided
	link   string    // URL of what says what to use instead
}

// told returns the headers that tell of it; of none, there are none.
func (d *deprecation) told() map[string]string {
	if d == nil {
		return nil
	}
	told := map[string]string{
		headerDeprecation: "@" + strconv.FormatInt(d.since.Unix(), 10),
		fiber.HeaderLink:  "<" + d.link + `>; rel="deprecation"; type="text/html"`,
	}
	if !d.sunset.IsZero() {
		told[headerSunset] = d.sunset.UTC().Format(http.TimeFormat)
	}
	return told
}

// headers describes them.
func (d *deprecation) headers() map[string]*huma.Param {
	about := map[string]string{
		headerDeprecation: "Since when the route is deprecated, see RFC 9745",
		headerSunset:      "From when on it may be gone, see RFC 8594",
		fiber.HeaderLink:  "Where it is said what to use instead, see RFC 8288; it stands beside other links",
	}
	out := map[string]*huma.Param{}
	for name, value := range d.told() {
		out[name] = &huma.Param{Description: about[name], Schema: &huma.Schema{Type: huma.TypeString}, Example: value}
	}
	return out
}

// announce is a middleware that tells of it in every answer that a deprecated route gives, errors included.
func announce(ctx huma.Context, next func(huma.Context)) {
	next(ctx)
	d, _ := ctx.Operation().Metadata[deprecationKey].(*deprecation)
	for name, value := range d.told() {
		humafiber.UnwrapV2(ctx).Append(name, value)
	}
}
