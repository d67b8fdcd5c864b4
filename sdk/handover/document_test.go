package handover

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTheDocumentHasTheBridge: docs/protocol.md is for those who do not read this code.
func TestTheDocumentHasTheBridge(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "protocol.md"))
	if err != nil {
		t.Fatal(err)
	}
	place, err := json.Marshal(idle{
		Place: Place{Network: "tcp", Address: "127.0.0.1:3003"}, Served: true, Until: time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{
		"`" + string(place) + "`",
		fmt.Sprintf("at most %d KiB, %d MiB and %d MiB", maxPlace>>10, maxUnread>>20, maxState>>20),
		fmt.Sprintf("`%d`, it has it, or `%d`", taken, refused),
		fmt.Sprintf("`%d` a connection on which a request is waited for, `%d` one with a state of its own, `%d` what the old one tells", ofRequests, ofSession, told),
		fmt.Sprintf("`%d` what it asks", asked),
	} {
		if !strings.Contains(string(text), words) {
			t.Errorf("the document does not say %q", words)
		}
	}
	if headerBytes != 1+3*4 {
		t.Errorf("the header has %d bytes, and the document says 1 and 3 × 4", headerBytes)
	}
}
