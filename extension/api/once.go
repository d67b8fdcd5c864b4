package api

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/stagehouse/stagehouse/schema"
)

// Headers of requests that are carried out once, see draft-ietf-httpapi-idempotency-key-header-07.
const (
	headerKey      = "Idempotency-Key"
	headerReplayed = "Idempotency-Replayed"
)

// onceOf returns what has a request carried out once, or nil where its client does not ask for that, or asks for nothing that
// is worth it: reading may be done again, and so may deleting.
func onceOf(c *fiber.Ctx) (*schema.Once, error) {
	keys := c.Request().Header.PeekAll(headerKey)
	if len(keys) == 0 || !slices.Contains([]string{fiber.MethodPost, fiber.MethodPut, fiber.MethodPatch}, c.Method()) {
		return nil, nil
	}
	key := string(keys[0])
	if len(keys) > 1 || !validKey(key) {
		return nil, invalid("header."+headerKey, "must be one value of 1 to 255 visible ASCII characters")
	}
	return &schema.Once{Key: key, Scope: c.Method() + " " + c.Route().Path, Digest: digest(c)}, nil
}

// onceParameter describes the header, once for all routes.
func onceParameter(c *huma.Components) *huma.Param {
	least, most := 1, schema.MaxOnceBytes
	c.Parameters[headerKey] = &huma.Param{
		Name: headerKey, In: "header", Schema: &huma.Schema{Type: huma.TypeString, MinLength: &least, MaxLength: &most},
		Example: "0d1c9f1e-5c0e-4a8e-9f0b-3f3f3d0c4b52",
		Description: "Your own name for this request. Repeated within a day, it changes nothing more, and has the same answer, with Idempotency-Replayed: true; " +
			"answers of 429, and of 500 and above, are not kept. The same key with another request is a 422. Visible ASCII characters",
	}
	return &huma.Param{Ref: "#/components/parameters/" + headerKey}
}

func validKey(key string) bool {
	for i := range len(key) {
		if key[i] < ' ' || key[i] > '~' {
			return false
		}
	}
	return key != "" && len(key) <= schema.MaxOnceBytes
}

// digest tells requests apart by everything that decides what is done. How the client wants to be told of it does not.
func digest(c *fiber.Ctx) string {
	h := sha256.New()
	for _, part := range [][]byte{
		c.Request().URI().RequestURI(), c.Request().Header.Peek(fiber.HeaderIfMatch), c.Request().Body(),
	} {
		sum := sha256.Sum256(part)
		h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}
