package local

import (
	"math"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
)

func TestCursorsComeBack(t *testing.T) {
	for _, id := range []string{"a", "nyx", "a.b_c~d:e-f"} {
		if got, err := agentList.place(agentList.cursor(id)); got != id || err != nil {
			t.Errorf("%q came back as %q, %v", id, got, err)
		}
	}
	for _, n := range []int64{1, 42, math.MaxInt64} {
		if got, err := messageList.number(messageList.numbered(n)); got != n || err != nil {
			t.Errorf("%d came back as %d, %v", n, got, err)
		}
	}
	if n, err := messageList.number(""); n != 0 || err != nil {
		t.Errorf("the beginning is %d, %v", n, err)
	}
}

func TestCursorsThatNobodyGave(t *testing.T) {
	for _, c := range []string{
		"x", "nyx", "0", "-1", "42", "a b", "é", "\xff", agentList.cursor("nyx") + "=", agentList.cursor("nyx")[1:],
		conversationList.numbered(0), conversationList.cursor(""), conversationList.cursor("-1"), conversationList.cursor("01"),
		conversationList.cursor("nyx"), messageList.numbered(7), agentList.cursor("7"),
	} {
		if n, err := conversationList.number(c); schema.CodeOf(err) != schema.CodeInvalidArgument {
			t.Errorf("%q is the number %d, %v", c, n, err)
		}
	}
}
