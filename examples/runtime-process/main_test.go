package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestDocsShowTheProgram keeps the chapter for owners of runtimes true; examples/e2e carries out its steps.
func TestDocsShowTheProgram(t *testing.T) {
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	chapter, err := os.ReadFile(filepath.Join("..", "..", "docs", "runtimes.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(chapter), "```go\n"+string(source)+"```") {
		t.Error("docs/runtimes.md does not show examples/runtime-process/main.go as it is")
	}
}
