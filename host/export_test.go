package host

import "github.com/stagehouse/stagehouse/plugin"

// WithSupervision has the extensions watched over in another way.
func WithSupervision(s plugin.Supervision) Option {
	return func(o *options) { o.manager = append(o.manager, plugin.WithSupervision(s)) }
}

// MaxFollows is how many logs may be followed at a time.
const MaxFollows = maxFollows
