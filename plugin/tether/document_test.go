package tether

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The protocol is told in docs/protocol.md to those who do not read this code.
func TestTheDocumentHasTheMessages(t *testing.T) {
	read, err := os.ReadFile(filepath.Join("..", "..", "docs", "protocol.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(read)
	for _, words := range []string{
		string(encode(request{ID: 1, Op: opListen, Network: "tcp", Address: "127.0.0.1:3003"})),
		string(encode(request{Op: opLeft})), // its id is 0, and may be left out
		string(encode(reply{ID: 1})), string(encode(reply{Op: opServe})), string(encode(reply{Op: opLeave})),
		fmt.Sprintf("one packet of at most %d KiB", maxMessage>>10),
		"`" + strings.Join(networks()[:len(networks())-1], "`, `") + "` or `" + networks()[len(networks())-1] + "`",
	} {
		if !strings.Contains(text, strings.Replace(words, `"id":0,`, "", 1)) {
			t.Errorf("the document does not have %s", words)
		}
	}
	for _, m := range regexp.MustCompile(`"op":"(\w+)"`).FindAllStringSubmatch(text, -1) {
		if !slices.Contains([]string{opListen, opLeft, opServe, opLeave}, m[1]) {
			t.Errorf("the document has %s, which nobody knows", m[0])
		}
	}
}
