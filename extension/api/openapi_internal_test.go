package api

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestOpenAPICopyIsWhatIsServed(t *testing.T) {
	file := filepath.Join("..", "..", "schema", "openapi.json")
	served := OpenAPI()
	if *update {
		if err := os.WriteFile(file, served, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(committed, served) {
		t.Errorf("%s is not what the server serves (%v); run: go test ./extension/api -run TestOpenAPI -update", file, err)
	}
}
