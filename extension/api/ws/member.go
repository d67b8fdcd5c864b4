package ws

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/stagehouse/stagehouse/schema"
)

// What follows reads the value of one member each, and says what is wrong with it as what follows its name.

func readText(into *string, raw json.RawMessage) error {
	if raw[0] != '"' {
		return fmt.Errorf("must be a string, and is %s", kindOf(raw))
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return errors.New("must be a string")
	}
	if *into == "" {
		return errors.New("must not be empty")
	}
	return nil
}

func readList(into *list, raw json.RawMessage) error {
	if raw[0] != '[' {
		return fmt.Errorf("must be a list of strings, and is %s", kindOf(raw))
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return errors.New("must be a list of strings")
	}
	l := list{present: true, names: make([]string, len(items))}
	for i, item := range items {
		if err := readText(&l.names[i], item); err != nil {
			return fmt.Errorf("entry %d %w", i, err)
		}
	}
	*into = l
	return nil
}

func readPlace(into *place, raw json.RawMessage) error {
	var text string
	if err := readText(&text, raw); err != nil {
		return err
	}
	c, err := schema.ParseCursor(text)
	if err != nil {
		return errors.New("must be a place in the event log that the server named: the id of an event, or the head of a subscribed frame")
	}
	into.Cursor = c
	return nil
}

func readOnBusy(into *schema.OnBusy, raw json.RawMessage) error {
	var text string
	if err := readText(&text, raw); err != nil {
		return err
	}
	switch *into = schema.OnBusy(text); *into {
	case schema.BusyEnqueue, schema.BusyReject, schema.BusyInterrupt:
		return nil
	}
	return fmt.Errorf("must be %q, %q or %q", schema.BusyEnqueue, schema.BusyReject, schema.BusyInterrupt)
}

func readKey(into *string, raw json.RawMessage) error {
	if err := readText(into, raw); err != nil {
		return err
	}
	if len(*into) > schema.MaxOnceBytes {
		return fmt.Errorf("must be at most %d bytes long", schema.MaxOnceBytes)
	}
	return nil
}

func readObject(into *schema.Object, raw json.RawMessage) error {
	if raw[0] != '{' {
		return fmt.Errorf("must be an object, and is %s", kindOf(raw))
	}
	return json.Unmarshal(raw, into)
}

// readID keeps an id as it is sent back: a number digit by digit, a string in its plainest form.
func readID(into *json.RawMessage, raw json.RawMessage) error {
	switch c := raw[0]; {
	case c == '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil || len(s) > maxClientID {
			return fmt.Errorf("must be at most %d bytes long", maxClientID)
		}
		b, err := json.Marshal(s)
		*into = b
		return err
	case c == '-' || '0' <= c && c <= '9':
		if len(raw) > maxClientID {
			return fmt.Errorf("must be at most %d digits long", maxClientID)
		}
		*into = bytes.Clone(raw)
		return nil
	default:
		return fmt.Errorf("must be a string or a number, and is %s", kindOf(raw))
	}
}

func kindOf(raw json.RawMessage) string {
	switch raw[0] {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "a list"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null; leave it out instead"
	default:
		return "a number"
	}
}
