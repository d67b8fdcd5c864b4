package wire

import (
	"fmt"

	"google.golang.org/protobuf/proto"
)

// maxPageBytes bounds the items of one answer. A legal limit times the largest legal item can be more than a message
// may have: 200 agents are up to 34 MB.
const maxPageBytes = MaxMessageSize / 2

// itemOverhead is what a list adds to an item: a tag and a length.
const itemOverhead = 6

// fitting returns how many of the first items fit into maxPageBytes, and at least one.
func fitting[M proto.Message](items []M) int {
	size := 0
	for i, m := range items {
		if size += proto.Size(m) + itemOverhead; size > maxPageBytes && i > 0 {
			return i
		}
	}
	return len(items)
}

// page asks for one page of a list, and, when its items are too large together, again for as many as would have fitted:
// only the service knows the cursor behind an item in the middle. A limit of 0 is the service's default.
func page[P proto.Message, M proto.Message](limit int, ask func(limit int) (P, error), items func(P) []M) (P, error) {
	for {
		p, err := ask(limit)
		if err != nil {
			return p, err
		}
		all := len(items(p))
		fit := fitting(items(p))
		switch {
		case fit == all:
			return p, nil
		case limit != 0 && all > limit:
			return p, badAnswer(fmt.Errorf("a page of %d items, of which at most %d were asked for", all, limit))
		}
		limit = fit
	}
}
