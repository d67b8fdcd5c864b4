package api

import (
	"fmt"
	"sync"

	"github.com/gofiber/fiber/v2"

	"github.com/stagehouse/stagehouse/extension/api/internal/docs"
	"github.com/stagehouse/stagehouse/extension/api/internal/problem"
	"github.com/stagehouse/stagehouse/schema"
)

// docsPolicy lets the page load what stands beside it, and nothing else; nobody may put it into a frame.
const docsPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// serveDocs serves the page that shows the documents, to everybody, as they are. It is made when somebody reads it for the
// first time: a server that is being replaced does not wait for it.
func serveDocs(app fiber.Router, openapi []byte, asyncapi func() []byte) {
	page := sync.OnceValues(func() (*asset, error) {
		html, err := docs.Render(docs.Input{OpenAPI: openapi, AsyncAPI: asyncapi(), Codes: docsCodes()})
		if err != nil {
			return nil, fmt.Errorf("make the page of the documentation: %w", err)
		}
		return newAsset(fiber.MIMETextHTMLCharsetUTF8, html), nil
	})
	app.Get("/docs", func(c *fiber.Ctx) error {
		if path := c.Path(); path[len(path)-1] == '/' {
			return c.Redirect("../docs", fiber.StatusPermanentRedirect) // the links of the page are relative to it
		}
		a, err := page()
		if err != nil {
			return err
		}
		c.Set(fiber.HeaderContentSecurityPolicy, docsPolicy)
		c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
		return a.send(c)
	})
	for path, load := range map[string]func() *asset{
		"/docs/style.css": sync.OnceValue(func() *asset { return newAsset("text/css; charset=utf-8", docs.StyleSheet()) }),
		"/docs/page.js":   sync.OnceValue(func() *asset { return newAsset("text/javascript; charset=utf-8", docs.Script()) }),
	} {
		app.Get(path, func(c *fiber.Ctx) error { return load().send(c) })
	}
}

// docsCodes lists the codes of errors as the page has them.
func docsCodes() []docs.Code {
	var out []docs.Code
	for _, code := range schema.ErrorCodes() {
		p := problem.New(code, "")
		out = append(out, docs.Code{Name: string(code), Title: p.Title, Status: p.Status, Retryable: p.Retryable})
	}
	return out
}
