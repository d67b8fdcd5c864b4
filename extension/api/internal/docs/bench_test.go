package docs_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/extension/api/internal/docs"
)

// BenchmarkRender makes the page of the REST API's document, and compares that with the least that anybody does who looks into
// the document: json.Unmarshal.
func BenchmarkRender(b *testing.B) {
	document, err := os.ReadFile("../../../../schema/openapi.json")
	if err != nil {
		b.Fatal(err)
	}
	var render, read time.Duration
	for b.Loop() {
		begin := time.Now()
		page, err := docs.Render(docs.Input{OpenAPI: document})
		if err != nil {
			b.Fatal(err)
		}
		render += time.Since(begin)
		b.ReportMetric(float64(len(page)), "page-bytes")
		begin = time.Now()
		var v any
		if err := json.Unmarshal(document, &v); err != nil {
			b.Fatal(err)
		}
		read += time.Since(begin)
	}
	b.ReportMetric(float64(render)/float64(read), "times-unmarshal")
	b.ReportMetric(float64(render.Milliseconds())/float64(b.N), "ms/page")
}
