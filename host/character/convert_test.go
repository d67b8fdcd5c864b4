package character_test

import (
	"encoding/base64"
	"encoding/binary"
	"flag"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/host/character"
)

var update = flag.Bool("update", false, "write the golden files anew")

// told returns what came of a conversion, for people.
func told(t *testing.T, c character.Converted) string {
	t.Helper()
	text, err := c.Character.Text()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s\n", text, c.Format)
	for _, l := range c.Lost {
		fmt.Fprintf(&b, "%s: %s\n", l.Place, l.Why)
	}
	return b.String()
}

// TestConvert holds what comes of the samples against what was written down for each of them.
func TestConvert(t *testing.T) {
	samples, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil || len(samples) == 0 {
		t.Fatal(samples, err)
	}
	for _, sample := range samples {
		t.Run(filepath.Base(sample), func(t *testing.T) {
			text, err := os.ReadFile(sample)
			if err != nil {
				t.Fatal(err)
			}
			c, err := character.Convert("ibis", text)
			if err != nil {
				t.Fatal(err)
			}
			got := told(t, c)
			if strings.Contains(got, "secret-") {
				t.Errorf("a secret is told:\n%s", got)
			}
			golden := strings.TrimSuffix(sample, ".json") + ".want"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("it makes\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestConvertWhatIsNone(t *testing.T) {
	long := strings.Repeat("x", 40_000)
	for name, c := range map[string]struct{ text, want string }{
		"not JSON":        {`{"spec": "chara_card_v2",}`, "line 1, column"},
		"nothing known":   {`{"name": "x"}`, "this is no character that can be converted"},
		"one of our own":  {`{"name": "x", "persona": "y"}`, "this is no character that can be converted"},
		"a list":          {`[]`, "this is no character that can be converted"},
		"too large":       {`{"spec":"chara_card_v2","data":{"description":"` + long + `"}}`, "/persona: must have at most 32768 characters"},
		"large together":  {`{"spec":"chara_card_v2","data":{"description":"` + long[:20_000] + `","scenario":"` + long[:20_000] + `"}}`, "at most 32768 are allowed"},
		"an empty image":  {"\x89PNG\r\n\x1a\n", "has no character card"},
		"half an image":   {"\x89PNG\r\n\x1a\n\x00\x00\x00\x09tEXtabc", "ends in the middle of a chunk"},
		"a length beyond": {"\x89PNG\r\n\x1a\n\xff\xff\xff\xfftEXtabcdefgh", "ends in the middle of a chunk"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := character.Convert("x", []byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("it says %v, want %q", err, c.want)
			}
		})
	}
}

// TestConvertLeavesExamplesOut: there is room for some of them, and it is said how many are not there.
func TestConvertLeavesExamplesOut(t *testing.T) {
	example := "<START>" + strings.Repeat("x", 5000)
	c, err := character.Convert("x", []byte(`{"spec":"chara_card_v2","data":{"name":"X","mes_example":"`+strings.Repeat(example, 9)+`<START>`+strings.Repeat("y", 9000)+`"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(c.Character.Examples); n != 6 || len(c.Lost) != 1 || !strings.HasPrefix(c.Lost[0].Why, "4 of 10 examples are left out") || c.Lost[0].Place != "/data/mes_example" {
		t.Errorf("%d examples, lost %+v", n, c.Lost)
	}
}

// chunk returns a chunk of a PNG image.
func chunk(kind, data string) string {
	body := kind + data
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	return string(binary.BigEndian.AppendUint32(append(b, body...), crc32.ChecksumIEEE([]byte(body))))
}

// png returns an image with texts in it.
func png(texts ...string) []byte {
	image := "\x89PNG\r\n\x1a\n" + chunk("IHDR", "\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00")
	for _, text := range texts {
		image += chunk("tEXt", text)
	}
	return []byte(image + chunk("IEND", "") + "what follows is no chunk")
}

func TestConvertPNG(t *testing.T) {
	card, err := os.ReadFile(filepath.Join("testdata", "card_v2.json"))
	if err != nil {
		t.Fatal(err)
	}
	encoded := base64.StdEncoding.EncodeToString(card)
	plain, err := character.Convert("x", card)
	if err != nil {
		t.Fatal(err)
	}
	c, err := character.Convert("x", png("Comment\x00hi", "ccv3\x00e30=", "chara\x00"+encoded))
	if err != nil {
		t.Fatal(err)
	}
	if c.Format != "character card v2 in a PNG image" || c.Character.Render() != plain.Character.Render() || !slices.Equal(c.Lost, plain.Lost) {
		t.Errorf("it makes\n%s", told(t, c))
	}
	for want, image := range map[string][]byte{
		"no character card": png("Comment\x00hi"),
		"is damaged":        png("chara\x00@@"),
		"line 1, column":    png("chara\x00" + base64.StdEncoding.EncodeToString([]byte("{,"))),
	} {
		if _, err := character.Convert("x", image); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("it says %v, want %q", err, want)
		}
	}
	broken := png("chara\x00" + encoded)
	broken[60] ^= 1
	if _, err := character.Convert("x", broken); err == nil || !strings.Contains(err.Error(), "checksum of a text") {
		t.Errorf("it says %v", err)
	}
}

// FuzzConvert: whatever comes from outside is refused, or makes a file that is read.
func FuzzConvert(f *testing.F) {
	samples, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil {
		f.Fatal(err)
	}
	for _, sample := range samples {
		text, err := os.ReadFile(sample)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add(png("chara\x00" + base64.StdEncoding.EncodeToString(text)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := character.Convert("luna", text)
		if err != nil {
			return
		}
		written, err := c.Character.Text()
		if err != nil {
			t.Fatal(err)
		}
		if _, problems := character.Parse("luna", written); len(problems) > 0 {
			t.Fatalf("%s\nis not read: %v", written, problems)
		}
	})
}
