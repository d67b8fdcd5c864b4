package strictjson_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/extension/api/internal/strictjson"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCheckAccepts(t *testing.T) {
	for _, in := range []string{
		`{}`, `[]`, `0`, `"x"`, `null`, ` {"a":1,"b":{"a":2}} `, `[{"a":1},{"a":1}]`, `{"n":1e999}`, `{"a":"b","b":"a"}`,
		strings.Repeat("[", strictjson.MaxDepth) + strings.Repeat("]", strictjson.MaxDepth),
	} {
		if dup, err := strictjson.Check([]byte(in), ""); err != nil || dup != nil {
			t.Errorf("Check(%.40s) = %v, %v; want nothing", in, dup, err)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	var syntax *strictjson.SyntaxError
	for _, in := range []string{``, ` `, `{`, `{"a":1`, `{"a"}`, `{a:1}`, `[1,]`, `{} {}`, `{}x`, `tru`, "\"\x01\"", `{"a":1,}`} {
		if _, err := strictjson.Check([]byte(in), ""); !errors.As(err, &syntax) {
			t.Errorf("Check(%q) = %v, want a SyntaxError", in, err)
		}
	}
	if _, err := strictjson.Check([]byte("\"\xff\""), ""); !errors.Is(err, strictjson.ErrNotUTF8) {
		t.Errorf("got %v, want ErrNotUTF8", err)
	}
	deep := strings.Repeat(`{"a":`, strictjson.MaxDepth+1)
	if _, err := strictjson.Check([]byte(deep), ""); !errors.Is(err, strictjson.ErrTooDeep) {
		t.Errorf("got %v, want ErrTooDeep", err)
	}
}

func TestCheckText(t *testing.T) {
	for _, in := range []string{`{}`, `"x"`, `"\ud83d\ude00"`, `"\\ud800"`, `{"\uD83D\uDE00x":"\u0041\n"}`, `["\ufffd","\\"]`} {
		if err := strictjson.CheckText([]byte(in)); err != nil {
			t.Errorf("CheckText(%s) = %v", in, err)
		}
	}
	for _, in := range []string{`"\ud800"`, `"\uDFFF"`, `"\udc00\ud800"`, `["\ud800\ud800\udc00"]`, `{"\ud800":1}`, `"\ud800\u0041"`, `"\ud800\n"`, `"\\\ud800"`} {
		if err := strictjson.CheckText([]byte(in)); !errors.Is(err, strictjson.ErrLoneSurrogate) {
			t.Errorf("CheckText(%s) = %v, want ErrLoneSurrogate", in, err)
		}
	}
}

func TestCheckNamesDuplicates(t *testing.T) {
	const in = `{"a":1,"b":[{"c":1},{"c":1,"c":2}],"a":{"d":0,"d":0},"\u0061":3}`
	dup, err := strictjson.Check([]byte(in), "body")
	want := []string{"body.b[1].c", "body.a", "body.a.d", "body.a"}
	if err != nil || !slices.Equal(dup, want) {
		t.Fatalf("Check = %v, %v; want %v", dup, err, want)
	}
}

func FuzzCheck(f *testing.F) {
	for _, in := range []string{`{"a":[1,{"b":null}]}`, `[[[]]]`, `{"a":1,"a":2}`, "\xff", `"\ud800"`} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, err := strictjson.Check(data, "body")
		if err == nil && !json.Valid(data) {
			t.Fatalf("Check accepts %q, which is not JSON", data)
		}
		var text string
		if err == nil && strictjson.CheckText(data) == nil && json.Unmarshal(data, &text) == nil && strings.Count(text, "\ufffd") > strings.Count(string(data), "\ufffd")+strings.Count(strings.ToLower(string(data)), `\ufffd`) {
			t.Fatalf("CheckText accepts %q, which becomes %q", data, text)
		}
	})
}
