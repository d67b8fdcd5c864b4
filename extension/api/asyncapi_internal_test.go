package api

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/danielgtaylor/huma/v2/yaml"
)

func TestAsyncAPICopyIsWhatIsServed(t *testing.T) {
	file := filepath.Join("..", "..", "schema", "asyncapi.yaml")
	var served bytes.Buffer
	if err := yaml.Convert(&served, bytes.NewReader(AsyncAPI())); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, served.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(committed, served.Bytes()) {
		t.Errorf("%s is not what the server serves (%v); run: go test ./extension/api -run TestAsyncAPI -update", file, err)
	}
}
