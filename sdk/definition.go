package sdk

import (
	"errors"
	"fmt"
	"slices"

	"github.com/stagehouse/stagehouse/schema"
)

// Definition is what an extension is, before it runs.
type Definition struct {
	Name    string // what the extension is called, in logs and listings; the host may know it under another name
	Version string // of the extension, for people
	Summary string // one sentence, for people

	// Requires names the services (schema.ServiceAgents, …) that the extension cannot do without. The host refuses to
	// start it where one of them is not offered or not granted. Every other service may be nil in Host.
	Requires []string

	// New returns a pointer to a new struct. Its exported fields with their JSON names are the extension's block of the
	// configuration, and the values it comes with are the defaults. It is called several times and has no other effect.
	New func() Extension

	offers []string // of a runtime; nil = it is none
	usual  bool     // those are what a runtime offers that does not say; it may have more
}

func (d Definition) validate() error {
	switch {
	case d.Name == "":
		return errors.New("sdk.Definition has no Name")
	case d.New == nil:
		return fmt.Errorf("sdk.Definition of %s has no New", d.Name)
	}
	for _, s := range d.Requires {
		if !slices.Contains(schema.ServiceNames(), s) {
			return fmt.Errorf("sdk.Definition of %s requires the service %q, which no host knows; the names are %v", d.Name, s, schema.ServiceNames())
		}
	}
	return nil
}
