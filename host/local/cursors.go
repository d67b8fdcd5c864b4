package local

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
)

// list names what a cursor is a place in, so that the cursor of one list is not taken for one of another.
type list string

const (
	agentList        list = "agents"
	conversationList list = "conversations"
	messageList      list = "messages" // those before a number
	newerList        list = "newer"    // messages after a number
	runList          list = "runs"
)

// cursor returns the place after which the next page of the list begins, as clients pass it back.
func (l list) cursor(place string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(string(l) + ":" + place))
}

// place is the inverse of cursor; "" for "", which is the beginning. It accepts exactly what cursor makes.
func (l list) place(cursor string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	place, ok := strings.CutPrefix(string(text), string(l)+":")
	if err != nil || !ok || l.cursor(place) != cursor {
		return "", badCursor(cursor)
	}
	return place, nil
}

// numbered is cursor for a list that is ordered by number.
func (l list) numbered(n int64) string { return l.cursor(strconv.FormatInt(n, 10)) }

// number is the inverse of numbered; 0 for "".
func (l list) number(cursor string) (int64, error) {
	place, err := l.place(cursor)
	if err != nil || place == "" && cursor == "" {
		return 0, err
	}
	n, err := strconv.ParseInt(place, 10, 64)
	if err != nil || n <= 0 || l.numbered(n) != cursor {
		return 0, badCursor(cursor)
	}
	return n, nil
}

func badCursor(cursor string) error {
	return schema.Invalid("cursor", "%.80q is not one that the server gave", cursor)
}
