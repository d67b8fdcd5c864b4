package paging_test

import (
	"math"
	"testing"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/host/paging"
	"github.com/stagehouse/stagehouse/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const agents, messages, conversations = paging.List("agents"), paging.List("messages"), paging.List("conversations")

func TestCursorsComeBack(t *testing.T) {
	for _, id := range []string{"a", "nyx", "a.b_c~d:e-f"} {
		if got, err := agents.Place(agents.Cursor(id)); got != id || err != nil {
			t.Errorf("%q came back as %q, %v", id, got, err)
		}
	}
	for _, n := range []int64{1, 42, math.MaxInt64} {
		if got, err := messages.Number(messages.Numbered(n)); got != n || err != nil {
			t.Errorf("%d came back as %d, %v", n, got, err)
		}
	}
	if n, err := messages.Number(""); n != 0 || err != nil {
		t.Errorf("the beginning is %d, %v", n, err)
	}
}

func TestCursorsThatNobodyGave(t *testing.T) {
	for _, c := range []string{
		"x", "nyx", "0", "-1", "42", "a b", "é", "\xff", agents.Cursor("nyx") + "=", agents.Cursor("nyx")[1:],
		conversations.Numbered(0), conversations.Cursor(""), conversations.Cursor("-1"), conversations.Cursor("01"),
		conversations.Cursor("nyx"), messages.Numbered(7), agents.Cursor("7"),
	} {
		if n, err := conversations.Number(c); schema.CodeOf(err) != schema.CodeInvalidArgument {
			t.Errorf("%q is the number %d, %v", c, n, err)
		}
	}
}
