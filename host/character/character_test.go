package character_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/host/character"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func parse(t *testing.T, text string) character.Character {
	t.Helper()
	c, problems := character.Parse("luna", []byte(text))
	if len(problems) > 0 {
		t.Fatalf("%s: %+v", text, problems)
	}
	return c
}

func TestPersona(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"nothing":           {`{}`, ""},
		"a persona alone":   {`{"persona":" You are Luna.\n"}`, " You are Luna.\n"},
		"no persona":        {`{"name":"Luna","traits":["calm"]}`, "You are Luna.\n\nTraits: calm"},
		"neither":           {`{"traits":["calm"]}`, "You are luna.\n\nTraits: calm"},
		"blank lines":       {`{"persona":"P","goals":[" ","x "]}`, "P\n\nGoals:\n- x"},
		"an item of two":    {`{"persona":"P","examples":["A: hi\nB: ho"]}`, "P\n\nExamples of what you say:\n- A: hi\n  B: ho"},
		"blanks alone":      {`{"persona":"P","goals":[" "],"backstory":" "}`, "P"},
		"everything, order": {`{"style":["s"],"goals":["g","h"],"backstory":" b\nc ","traits":["t","u"],"persona":"P ","examples":["e"]}`, "P\n\nTraits: t, u\n\nBackstory:\nb\nc\n\nGoals:\n- g\n- h\n\nStyle:\n- s\n\nExamples of what you say:\n- e"},
	} {
		t.Run(name, func(t *testing.T) {
			p := parse(t, c.text)
			if got := p.Declaration().Persona; got != c.want {
				t.Errorf("persona is %q, want %q", got, c.want)
			}
			if again := p.Render(); again != c.want {
				t.Errorf("the second time it is %q", again)
			}
		})
	}
}

// TestProblems: each with its place, all in one pass.
func TestProblems(t *testing.T) {
	long := strings.Repeat("x", 20_000)
	for name, c := range map[string]struct {
		text string
		want []string // "pointer: part of the message or the suggestion"
	}{
		"no JSON":          {"{\n  \"name\": \"Luna\",\n}", []string{`: line 3, column`}},
		"a key twice":      {`{"name":"a","name":"b"}`, []string{`: the key "name" stands twice`}},
		"an array":         {`[]`, []string{`: must be an object`}},
		"unknown keys":     {`{"trait":["x"],"memory":{"rember":true}}`, []string{`/memory/rember: did you mean "remember"?`, `/trait: did you mean "traits"?`}},
		"wrong types":      {`{"traits":"calm","goals":[1],"autostart":"yes"}`, []string{`/autostart: must be a boolean`, `/goals/0: must be a string`, `/traits: must be an array`}},
		"no id":            {`{"id":"a b"}`, []string{`/id: letters`}},
		"an id of dots":    {`{"id":".."}`, []string{`/id: cannot be an id`}},
		"too large":        {`{"backstory":"` + long + `","persona":"` + long[:15_000] + `"}`, []string{`/backstory: make 35013 bytes`}},
		"bytes":            {`{"name":"` + strings.Repeat("ü", 150) + `"}`, []string{`/name: has 300 bytes`}},
		"bytes of a skill": {`{"skills":["a","` + strings.Repeat("ü", 90) + `"]}`, []string{`/skills/1: has 180 bytes`}},
		"a brain":          {`{"brain":{"model":"x"}}`, []string{`/brain: none of the forms`}},
		"policy":           {`{"memory":{"maxPerTurn":0,"expireAfterDays":0}}`, []string{`/memory/expireAfterDays: must be more than 0`, `/memory/maxPerTurn: must be at least 1`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := character.Parse("luna", []byte(c.text))
			var got []string
			for _, p := range problems {
				got = append(got, p.Pointer+": "+p.Message+" ("+p.Suggestion+")")
			}
			slices.Sort(got)
			if len(got) != len(c.want) {
				t.Fatalf("%d problems, want %d:\n%s", len(got), len(c.want), strings.Join(got, "\n"))
			}
			for i, w := range c.want {
				at, text, _ := strings.Cut(w, ": ")
				if !strings.HasPrefix(got[i], at+": ") || !strings.Contains(got[i], text) {
					t.Errorf("%s\nis not %s", got[i], w)
				}
			}
		})
	}
}

// TestTheDocs: the agent in the documentation is one.
func TestTheDocs(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, chapter, _ := strings.Cut(string(text), "### Agents as files")
	_, block, _ := strings.Cut(chapter, "```json\n")
	block, _, found := strings.Cut(block, "```")
	if c := parse(t, block); !found || c.Name != "Luna" || c.Memory.MaxPerTurn != 3 {
		t.Errorf("it is %+v", c)
	}
}

// TestText: what is written is read as it was.
func TestText(t *testing.T) {
	c := parse(t, `{"id":"x","name":"Zoë <3","persona":"P","traits":["a"],"brain":{"provider":"builtin","x":1},"memory":{"remember":false},"autostart":false,"metadata":{"k":["v"]}}`)
	text, err := c.Text()
	if err != nil {
		t.Fatal(err)
	}
	if again := parse(t, string(text)); !reflect.DeepEqual(again, c) {
		t.Errorf("%s\nis read as %+v, want %+v", text, again, c)
	}
	if !strings.Contains(string(text), "Zoë <3") {
		t.Errorf("%s is hard to read", text)
	}
}

// TestSchemaHasTheKeys holds the schema, which editors complete from, against the type; and the configuration's list of agents
// against the schema, where both have a key.
func TestSchemaHasTheKeys(t *testing.T) {
	type object struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	var agent object
	var host struct {
		Properties struct {
			Agents struct {
				Items object `json:"items"`
			} `json:"agents"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(config.Agent, &agent); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(config.Host, &host); err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[character.Character]()) {
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if keys[key] = true; agent.Properties[key] == nil {
			t.Errorf("the schema has no %q", key)
		}
	}
	for key := range agent.Properties {
		if !keys[key] {
			t.Errorf("the type has no %q", key)
		}
	}
	for key, raw := range host.Properties.Agents.Items.Properties {
		if own, ok := agent.Properties[key]; !ok {
			t.Errorf("a file cannot say %q", key)
		} else if key == "memory" && !sameJSON(t, own, raw) {
			t.Errorf("%q is something else in a file", key)
		}
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	var x, y any
	if err := json.Unmarshal(a, &x); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &y); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}

func TestReadFolder(t *testing.T) {
	dir := t.TempDir()
	if files, problems, err := character.ReadFolder(t.Context(), filepath.Join(dir, "none")); len(files)+len(problems) > 0 || err != nil {
		t.Errorf("of no folder: %v %v %v", files, problems, err)
	}
	for name, text := range map[string]string{
		"luna.json": "\ufeff{}", "b.json": `{"id":"bob"}`, "broken.json": `{`, "a b.json": `{}`, ".x.json": `{`, "notes.txt": `x`,
		"large.json": `{"persona":"` + strings.Repeat("x", character.MaxBytes) + `"}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "dir.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	files, problems, err := character.ReadFolder(t.Context(), dir)
	if len(problems) > 0 || err != nil {
		t.Fatal(problems, err)
	}
	got := map[string]string{}
	for _, f := range files {
		got[f.Name] = f.ID + string(f.Declaration)
		for _, p := range f.Problems {
			got[f.Name] += " " + p.Pointer
		}
	}
	want := map[string]string{
		"luna.json": `luna{"id":"luna"}`, "b.json": `bob{"id":"bob"}`, "broken.json": "broken /agents/broken.json",
		"a b.json": "a b /agents/a b.json/id", "large.json": "large /agents/large.json", "dir.json": "dir /agents/dir.json",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if _, problems, _ := character.ReadFolder(t.Context(), filepath.Join(dir, "b.json")); len(problems) != 1 {
		t.Errorf("of a file: %v", problems)
	}
}

// FuzzParse: whatever a file says, it is refused, or declares what the contract allows and reads again as it is written.
func FuzzParse(f *testing.F) {
	f.Add(`{"id":"x","persona":"P","traits":["a"],"memory":{"maxPerTurn":1}}`)
	f.Add(`{"brain":{"provider":"x"},"style":["a\nb"]}`)
	f.Fuzz(func(t *testing.T, text string) {
		c, problems := character.Parse("luna", []byte(text))
		if len(problems) > 0 {
			return
		}
		d := c.Declaration()
		if err := (schema.NewAgent{ID: d.ID, Name: d.Name, Description: d.Description, Skills: d.Skills, Persona: d.Persona, Metadata: d.Metadata}).Validate(); err != nil {
			t.Fatal(err)
		}
		written, err := c.Text()
		if err != nil {
			t.Fatal(err)
		}
		again, problems := character.Parse("luna", written)
		if len(problems) > 0 || again.Render() != c.Render() {
			t.Fatalf("%s is read otherwise than %s: %v", written, text, problems)
		}
	})
}
