package api

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"

	"github.com/gofiber/fiber/v2"
)

// asset is something that is the same for everybody for as long as the server runs.
type asset struct {
	mediaType string
	plain     variant
	gzipped   variant
}

// variant is a body with an ETag of its own, see RFC 9110 §8.8.3.3.
type variant struct {
	body     []byte
	etag     string
	encoding string // "" = as it is
}

func newAsset(mediaType string, body []byte) *asset {
	digest := sha256.Sum256(body)
	name := hex.EncodeToString(digest[:12])
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is a good one
	_, _ = z.Write(body)                                  // a buffer takes everything
	_ = z.Close()
	return &asset{mediaType, variant{body, `"` + name + `"`, ""}, variant{b.Bytes(), `"` + name + `-gzip"`, "gzip"}}
}

// send answers with the asset. Clients may keep it, and ask each time whether it is still the same: the next generation of
// the server may have another one at the same place.
func (a *asset) send(c *fiber.Ctx) error {
	v := a.plain
	if c.Get(fiber.HeaderAcceptEncoding) != "" && c.AcceptsEncodings("identity", "gzip") == "gzip" {
		v = a.gzipped
	}
	c.Set(fiber.HeaderContentType, a.mediaType)
	c.Set(fiber.HeaderCacheControl, "no-cache")
	c.Vary(fiber.HeaderAcceptEncoding)
	c.Set(fiber.HeaderETag, v.etag)
	if err := c.Send(v.body); err != nil {
		return err
	}
	unlessModified(c)
	if v.encoding != "" && c.Response().StatusCode() == fiber.StatusOK {
		c.Set(fiber.HeaderContentEncoding, v.encoding)
	}
	return nil
}
