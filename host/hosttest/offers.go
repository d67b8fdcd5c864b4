package hosttest

import (
	"slices"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform/services"
)

// Offers declares which services a runtime offers, for TestRuntime and TestServices: the checks fail where it offers others, or
// does not offer one of them, so that nothing is skipped that nobody has spoken of.
func Offers(open func(t *testing.T) schema.Services, names ...string) func(t *testing.T) schema.Services {
	return func(t *testing.T) schema.Services {
		t.Helper()
		s := open(t)
		got := slices.DeleteFunc(s.Names(), func(n string) bool { return n == schema.ServiceIdentity }) // which is the host's
		if want := slices.Sorted(slices.Values(names)); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
			t.Fatalf("the services %v are offered, and declared are %v", got, names)
		}
		return s
	}
}

// Option changes which checks there are.
type Option = services.Option

// Without declares what a runtime does without although it offers the service, such as "agents.Create", or "lasting", what it
// keeps beyond its end; services.Optional lists all. Checks that are about it are skipped, and say so. What is missing and is not
// declared fails, and so does what is declared and there after all.
func Without(names ...string) Option { return services.Without(names...) }
