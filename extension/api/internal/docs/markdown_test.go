package docs

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

func TestProse(t *testing.T) {
	p := prose{link: func(code string) string {
		if code == "known" {
			return "#known"
		}
		return ""
	}}
	for text, want := range map[string]string{
		"":                               "",
		"a < b & \"c\"":                  "<p>a &lt; b &amp; &#34;c&#34;</p>",
		"one\ntwo\n\nthree":              "<p>one\ntwo</p><p>three</p>",
		"say `a<b>` twice `` ` ``":       "<p>say <code>a&lt;b&gt;</code> twice `` ` ``</p>",
		"`known` and `unknown`":          `<p><a href="#known"><code>known</code></a> and <code>unknown</code></p>`,
		"**very `x` bold** ** no **":     "<p><strong>very <code>x</code> bold</strong> ** no **</p>",
		"2 * 3 * 4, metadata.*, a_b_c":   "<p>2 * 3 * 4, metadata.*, a_b_c</p>",
		"a lonely ` and ** and [x](":     "<p>a lonely ` and ** and [x](</p>",
		"[RFC 9457](https://rfc.test/)":  `<p><a href="https://rfc.test/">RFC 9457</a></p>`,
		"[x](javascript:alert(1))":       "<p>[x](javascript:alert(1))</p>",
		"[x](data:text/html,y)":          "<p>[x](data:text/html,y)</p>",
		"[x](relative) [y](//a.test)":    "<p>[x](relative) [y](//a.test)</p>",
		"<b>HTML</b> metadata.<key>":     "<p>&lt;b&gt;HTML&lt;/b&gt; metadata.&lt;key&gt;</p>",
		"list:\n- a\n  more\n* b":        "<p>list:</p><ul><li>a\nmore</li><li>b</li></ul>",
		"1. a\n2) b":                     "<ol><li>a</li><li>b</li></ol>",
		"```json\n{\n  \"a\": 1\n}\n```": "<pre tabindex=\"0\"><code>{\n  &#34;a&#34;: 1\n}</code></pre>",
		"```\nnever closed":              "<pre tabindex=\"0\"><code>never closed</code></pre>",
		"|a|b|\n|---|:-:|\n|1|`2`|\nend": `<div class="scroll" tabindex="0"><table><thead><tr><th>a</th><th>b</th></tr></thead><tbody>` +
			`<tr><td>1</td><td><code>2</code></td></tr></tbody></table></div><p>end</p>`,
		"a | b, no table": "<p>a | b, no table</p>",
	} {
		if got := string(p.blocks(text)); got != want {
			t.Errorf("%q\n is %s\nwant %s", text, got, want)
		}
	}
}

// FuzzProse makes sure that no text brings a tag or an attribute of its own.
func FuzzProse(f *testing.F) {
	f.Add("a `b` **c** [d](https://e) <f>\n- g\n\n|h|i|\n|-|-|\n|j|k|\n\n```l\nm\n```")
	f.Fuzz(func(t *testing.T, text string) {
		root, err := html.Parse(strings.NewReader("<body>" + string(prose{}.blocks(text))))
		if err != nil {
			t.Fatal(err)
		}
		known := strings.Fields("html head body p ul ol li pre code strong a div table thead tbody tr th td")
		for n := range root.Descendants() {
			if n.Type == html.ElementNode && !slices.Contains(known, n.Data) {
				t.Errorf("%q has a <%s>", text, n.Data)
			}
			for _, a := range n.Attr {
				fine := a.Key == "tabindex" || a.Key == "class" && a.Val == "scroll" || a.Key == "href" && harmless(a.Val)
				if !fine {
					t.Errorf("%q has %s=%q", text, a.Key, a.Val)
				}
			}
		}
	})
}
