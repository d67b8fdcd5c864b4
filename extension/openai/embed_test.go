package openai_test

import (
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/extension/openai"
	"github.com/stagehouse/stagehouse/extension/openai/openaitest"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

func texts(all ...string) sdk.EmbedRequest {
	return sdk.EmbedRequest{Provider: "openai", Texts: all}
}

func TestVectors(t *testing.T) {
	x, s := start(t, object{"embeddingBatch": 2})
	all := []string{"the cat sleeps", "", "the dog sleeps", " ", "the sea is grey"}
	got, err := x.Embed(t.Context(), texts(all...))
	if err != nil || got.Model != "text-embedding-3-small" || len(got.Vectors) != len(all) || got.Usage.InputTokens != 12 {
		t.Fatalf("%+v, %v", got, err)
	}
	for i, text := range all {
		if strings.TrimSpace(text) == "" {
			text = "(nothing)"
		}
		if !slices.Equal(got.Vectors[i], openaitest.Vector(text, 64)) {
			t.Errorf("the vector of %q is %v", all[i], got.Vectors[i])
		}
	}
	if near, far := dot(got.Vectors[0], got.Vectors[2]), dot(got.Vectors[0], got.Vectors[4]); near <= far {
		t.Errorf("near is %v, and far %v", near, far)
	}
	var sizes []int
	for _, r := range s.Embedded() {
		sizes = append(sizes, len(r.Input))
	}
	if !slices.Equal(sizes, []int{2, 2, 1}) {
		t.Errorf("the batches have %v texts", sizes)
	}
	if m, err := x.Metrics(t.Context()); err != nil || m["input_tokens_total"] != 12 || m["requests_total"] != 3 {
		t.Errorf("it counts %v, %v", m, err)
	}
}

func dot(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func TestVectorsOfAnotherModel(t *testing.T) {
	x, s := start(t, object{"embeddingDimensions": 16})
	r := texts("a")
	r.Model = "text-embedding-3-large"
	got, err := x.Embed(t.Context(), r)
	if err != nil || got.Model != r.Model || len(got.Vectors[0]) != 16 || *s.Embedded()[0].Dimensions != 16 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestVectorsWithoutIndices(t *testing.T) {
	x, _ := startLike(t, openaitest.Habits{NoVectorIDs: true}, nil)
	got, err := x.Embed(t.Context(), texts("a b", "c"))
	if err != nil || len(got.Vectors) != 2 || !slices.Equal(got.Vectors[1], openaitest.Vector("c", 64)) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestLongTextsGoAlone: a request has only so much text.
func TestLongTextsGoAlone(t *testing.T) {
	x, s := start(t, nil)
	long := strings.Repeat("x", 200<<10)
	if _, err := x.Embed(t.Context(), texts(long, long, "a", "b")); err != nil || len(s.Embedded()) != 2 || len(s.Embedded()[1].Input) != 3 {
		t.Errorf("after %d requests: %v", len(s.Embedded()), err)
	}
}

func TestNoVectors(t *testing.T) {
	x, s := start(t, object{"embeddingModel": ""})
	if _, err := x.Embed(t.Context(), texts("a")); schema.CodeOf(err) != schema.CodeUnimplemented || !strings.Contains(err.Error(), "extensions.openai.embeddingModel") {
		t.Error(err)
	}
	if len(s.Embedded()) > 0 {
		t.Error("the server was asked")
	}
}

func TestErrorsOfVectors(t *testing.T) {
	x, s := start(t, object{"maxRetries": 1})
	soon := openaitest.Refuse(429, "requests", "rate_limit_exceeded", "No")
	soon.Header = http.Header{"Retry-After-Ms": {"10"}}
	s.Script(soon)
	if _, err := x.Embed(t.Context(), texts("a")); err != nil || len(s.Embedded()) != 2 {
		t.Errorf("after %d requests: %v", len(s.Embedded()), err)
	}
	r := texts(strings.Repeat("word ", 9000))
	if _, err := x.Embed(t.Context(), r); schema.CodeOf(err) != schema.CodeTooLarge {
		t.Error(err)
	}
	r = texts("a")
	r.Model = "gpt-4"
	if _, err := x.Embed(t.Context(), r); schema.CodeOf(err) != schema.CodeInvalidArgument || !strings.Contains(err.Error(), "404") {
		t.Error(err)
	}
	s.Accept("another")
	if _, err := x.Embed(t.Context(), texts("a")); schema.CodeOf(err) != schema.CodeUnauthenticated {
		t.Error(err)
	}
}

// TestVectorsThatAreNone are no vectors.
func TestVectorsThatAreNone(t *testing.T) {
	for answer, want := range map[string]string{
		`<html>Welcome</html>`: "is extensions.openai.baseUrl right?",
		`{"data": [`:           "the answer broke off",
		`{"data": []}`:         "there are 0 vectors of 2 texts",
		`{"data": [{"index": 0, "embedding": [1]}]}`:                                         "there are 1 vectors of 2 texts",
		`{"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}`:         "not those of the texts",
		`{"data": [{"index": 0, "embedding": [1]}, {"index": 7, "embedding": [1]}]}`:         "not those of the texts",
		`{"data": [{"index": 0, "embedding": [1]}, {"index": 1, "embedding": []}]}`:          "not those of the texts",
		`{"data": [{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [1, 2]}]}`:      "different lengths",
		`{"data": [{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [1e300]}]}`:     "what is no number",
		`{"data": [{"index": 0, "embedding": "AAAAAA=="}, {"index": 1, "embedding": "??"}]}`: "not those of the texts",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", map[bool]string{true: "text/html", false: "application/json"}[answer[0] == '<'])
			_, _ = w.Write([]byte(answer))
		}))
		s := openaitest.New(t)
		x := sdktest.Start(t, openai.Definition(), block(t, s, object{"baseUrl": server.URL + "/v1", "maxRetries": 0}), sdktest.NewHost().Services())
		if _, err := x.Embed(t.Context(), texts("a", "b")); schema.CodeOf(err) != schema.CodeUnavailable || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", answer, err)
		}
		server.Close()
	}
}

// TestNearOnesAreNear: the vectors of the stand-in have length 1.
func TestNearOnesAreNear(t *testing.T) {
	v := openaitest.Vector("The cat sleeps.", 64)
	if length := dot(v, v); math.Abs(length-1) > 1e-5 || !slices.Equal(v, openaitest.Vector("the cat sleeps", 64)) {
		t.Errorf("its length is %v", length)
	}
}
