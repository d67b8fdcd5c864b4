// Package strictjson finds what encoding/json lets pass: text that is not UTF-8 or would not be, members that appear
// twice, and nesting that would hurt whoever reads the value later. It decides nothing about meaning.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how deep arrays and objects may be nested.
const MaxDepth = 64

// MaxReported bounds how many duplicates are reported for one document.
const MaxReported = 32

// ErrNotUTF8 says that the document is not valid UTF-8.
var ErrNotUTF8 = errors.New("the text is not valid UTF-8")

// ErrLoneSurrogate says that a string has an escape that stands for no character; encoding/json would replace it.
var ErrLoneSurrogate = errors.New(`the text has half a surrogate pair, such as \ud800 without \udc00 after it, which is no character`)

// ErrTooDeep says that the document is nested deeper than MaxDepth.
var ErrTooDeep = fmt.Errorf("the JSON is nested deeper than %d levels", MaxDepth)

// SyntaxError says that the document is not one JSON value.
type SyntaxError struct {
	Offset int64 // of the byte after which it goes wrong
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("the text is not JSON: %s, near byte %d", e.Reason, e.Offset)
}

// Check reads data as exactly one JSON value. It returns the places of members that appear more than once, as paths
// below root such as root.items[3].name; or an error, which is ErrNotUTF8, ErrTooDeep or a *SyntaxError.
func Check(data []byte, root string) (duplicates []string, err error) {
	if !utf8.Valid(data) {
		return nil, ErrNotUTF8
	}
	w := walker{dec: json.NewDecoder(bytes.NewReader(data)), root: root}
	w.dec.UseNumber() // a number that fits no float64 is still JSON
	if err := w.walk(); err != nil {
		return nil, err
	}
	return w.duplicates, nil
}

// CheckText returns ErrLoneSurrogate if a string of data has an escaped surrogate that is not one of a pair. Data is a
// document that Check has accepted: a backslash stands in strings only, and is never the last byte.
func CheckText(data []byte) error {
	for {
		i := bytes.IndexByte(data, '\\')
		if i < 0 {
			return nil
		}
		r := escaped(data[i:])
		data = data[i+2:] // whatever it is, it has two bytes; what is left of \uXXXX has no backslash
		if !utf16.IsSurrogate(r) {
			continue
		}
		if utf16.DecodeRune(r, escaped(data[4:])) == unicode.ReplacementChar {
			return ErrLoneSurrogate
		}
		data = data[10:]
	}
}

// escaped returns the code unit of the \uXXXX that data begins with; -1 if it does not.
func escaped(data []byte) rune {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(data[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}

// level is one array or object that is open.
type level struct {
	seen  map[string]struct{} // the members of an object so far; nil in an array
	key   string              // the member that is being read
	value bool                // in an object: a value comes next
	index int                 // in an array: the element that is being read
}

type walker struct {
	dec        *json.Decoder
	root       string
	open       []level
	duplicates []string
}

func (w *walker) walk() error {
	for {
		token, err := w.dec.Token()
		if err != nil {
			return w.syntax(err)
		}
		if err := w.take(token); err != nil {
			return err
		}
		if len(w.open) == 0 {
			break
		}
	}
	switch _, err := w.dec.Token(); {
	case err == nil:
		return &SyntaxError{w.dec.InputOffset(), "something follows after the value"}
	case !errors.Is(err, io.EOF):
		return w.syntax(err)
	}
	return nil
}

func (w *walker) take(token json.Token) error {
	switch t := token.(type) {
	case json.Delim:
		switch t {
		case '{', '[':
			if len(w.open) == MaxDepth {
				return ErrTooDeep
			}
			var l level
			if t == '{' {
				l.seen = map[string]struct{}{}
			}
			w.open = append(w.open, l)
			return nil
		}
		w.open = w.open[:len(w.open)-1]
	case string:
		if top := w.top(); top != nil && top.seen != nil && !top.value {
			w.member(top, t)
			return nil
		}
	}
	w.done()
	return nil
}

// done says that a value is complete.
func (w *walker) done() {
	if top := w.top(); top != nil {
		top.value = false
		top.index++
	}
}

func (w *walker) member(top *level, name string) {
	top.key, top.value = name, true
	if _, twice := top.seen[name]; twice && len(w.duplicates) < MaxReported {
		w.duplicates = append(w.duplicates, w.path())
	}
	top.seen[name] = struct{}{}
}

func (w *walker) top() *level {
	if len(w.open) == 0 {
		return nil
	}
	return &w.open[len(w.open)-1]
}

func (w *walker) path() string {
	p := w.root
	for _, l := range w.open {
		switch {
		case l.seen == nil:
			p += "[" + strconv.Itoa(l.index) + "]"
		case p == "":
			p = l.key
		default:
			p += "." + l.key
		}
	}
	return p
}

func (w *walker) syntax(err error) error {
	var s *json.SyntaxError
	switch {
	case errors.As(err, &s):
		return &SyntaxError{s.Offset, s.Error()}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &SyntaxError{w.dec.InputOffset(), "it ends too early"}
	default:
		return &SyntaxError{w.dec.InputOffset(), err.Error()}
	}
}
