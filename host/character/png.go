package character

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
)

// pngSignature begins every PNG image.
const pngSignature = "\x89PNG\r\n\x1a\n"

// cardKeywords are the texts of an image in which a card stands, the one that is taken first.
var cardKeywords = []string{"chara", "ccv3"}

func isPNG(b []byte) bool { return bytes.HasPrefix(b, []byte(pngSignature)) }

// cardInPNG returns the JSON of the card in an image: the base64 text of its first tEXt chunk with such a keyword.
func cardInPNG(b []byte) ([]byte, error) {
	found := map[string]string{}
	for rest := b[len(pngSignature):]; len(rest) > 0; {
		const frame = 12 // length, type and checksum
		if len(rest) < frame || uint64(binary.BigEndian.Uint32(rest)) > uint64(len(rest)-frame) {
			return nil, errors.New("the PNG image is damaged: it ends in the middle of a chunk")
		}
		size := int(binary.BigEndian.Uint32(rest))
		kind, data := string(rest[4:8]), rest[8:8+size]
		if kind == "tEXt" {
			if crc32.ChecksumIEEE(rest[4:8+size]) != binary.BigEndian.Uint32(rest[8+size:]) {
				return nil, errors.New("the PNG image is damaged: the checksum of a text in it is wrong")
			}
			keyword, text, _ := strings.Cut(string(data), "\x00")
			if _, twice := found[keyword]; !twice && slices.Contains(cardKeywords, keyword) {
				found[keyword] = text
			}
		}
		if kind == "IEND" {
			break
		}
		rest = rest[frame+size:]
	}
	for _, keyword := range cardKeywords {
		if text, ok := found[keyword]; ok {
			card, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
			if err != nil {
				return nil, fmt.Errorf("the character card in the PNG image is damaged: %w", err)
			}
			return card, nil
		}
	}
	return nil, errors.New(`the PNG image has no character card: there is no tEXt chunk "chara" in it`)
}
