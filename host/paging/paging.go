// Package paging makes the cursors of the lists of a runtime, and cuts lists into pages.
//
// A cursor is a place in one list: that of another list, or one that nobody gave, is refused. It is not a secret and not
// signed; what a caller may see is decided anew for every page.
package paging

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
)

// List names what a cursor is a place in.
type List string

// Cursor returns the place after which the next page of the list begins, as clients pass it back.
func (l List) Cursor(place string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(string(l) + ":" + place))
}

// Place is the inverse of Cursor; "" for "", which is the beginning. It accepts exactly what Cursor makes, and returns CodeInvalidArgument for anything else.
func (l List) Place(cursor string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	place, ok := strings.CutPrefix(string(text), string(l)+":")
	if err != nil || !ok || l.Cursor(place) != cursor {
		return "", badCursor(cursor)
	}
	return place, nil
}

// Numbered is Cursor for a list that is ordered by number.
func (l List) Numbered(n int64) string { return l.Cursor(strconv.FormatInt(n, 10)) }

// Number is the inverse of Numbered; 0 for "".
func (l List) Number(cursor string) (int64, error) {
	place, err := l.Place(cursor)
	if err != nil || place == "" && cursor == "" {
		return 0, err
	}
	n, err := strconv.ParseInt(place, 10, 64)
	if err != nil || n <= 0 || l.Numbered(n) != cursor {
		return 0, badCursor(cursor)
	}
	return n, nil
}

func badCursor(cursor string) error {
	return schema.Invalid("cursor", "%.80q is not one that the server gave", cursor)
}

// Cut returns the page of a list that was read with one entry more than limit, to see whether there are more, and the cursor
// of the next page. numbers are the places of the entries.
func Cut[T any](l List, all []T, numbers []int64, limit int) (page []T, next string) {
	if len(all) > limit {
		all, next = all[:limit], l.Numbered(numbers[limit-1])
	}
	return OrNone(all), next
}

// OrNone returns a list that is empty rather than nil: clients see [], not null.
func OrNone[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
