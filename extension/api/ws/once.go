package ws

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/stagehouse/stagehouse/schema"
)

// withOnce has a command that carries a key happen once, and returns what will say whether it has happened before. Without a
// key that is never so.
func withOnce(ctx context.Context, c command) (context.Context, *schema.Once) {
	if c.IdempotencyKey == "" {
		return ctx, &schema.Once{}
	}
	o := &schema.Once{Key: c.IdempotencyKey, Scope: "ws " + c.Type, Digest: c.digest()}
	return schema.WithOnce(ctx, o), o
}

// digest is the same for two commands that ask for the same, however they are written: it is that of the command as it was
// read, written out again, without what names this try of it. A member that is added to the grammar does not change it for
// commands that do not have it.
func (c command) digest() string {
	c.ID, c.IdempotencyKey = nil, ""
	b, err := json.Marshal(c)
	if err != nil {
		panic(fmt.Sprintf("ws: write out a command: %v", err)) // it has been read from JSON
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
