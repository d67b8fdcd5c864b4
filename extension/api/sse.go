package api

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// How long a client is asked to wait before it connects again: not all of them at the same moment.
const (
	retryLeast  = time.Second
	retrySpread = 2 * time.Second
)

// subscribedEvent is what the first block of a stream tells, as the frame of that type does on a WebSocket.
type subscribedEvent struct {
	Type   string             `json:"type"`
	Agents []string           `json:"agents"`
	Events []schema.EventType `json:"events"`
	Head   string             `json:"head"`
}

// openingBlock begins a stream: it shows everybody on the way that the stream is open, and makes a client that is cut off
// before the first event go on from since. It has a name, so that nobody takes it for an event of the log, and data, because
// there are clients that forget the id of a block without.
func openingBlock(q schema.EventQuery, head schema.Cursor, retry time.Duration) []byte {
	opening := subscribedEvent{Type: "subscribed", Agents: q.Agents, Events: q.Types, Head: head.String()}
	if opening.Agents == nil {
		opening.Agents = []string{every}
	}
	if opening.Events == nil {
		opening.Events = schema.EventTypes()
	}
	data, err := json.Marshal(opening)
	if err != nil { // it is made of texts
		panic("api: encode the opening of a stream: " + err.Error())
	}
	b := append([]byte("retry: "), strconv.FormatInt(retry.Milliseconds(), 10)...)
	b = append(b, "\nevent: "+opening.Type+"\n"...)
	return appendBlock(b, q.Since, data)
}

// eventBlock returns an event as a block without a name: a browser hands those, and only those, to onmessage. The data is
// what a WebSocket sends, with the number of the event before it on this stream.
func eventBlock(e schema.Event, prev uint64) ([]byte, error) {
	data, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	if e.Type != schema.EventGap { // which says itself what is lost
		data = strconv.AppendUint(append(data[:len(data)-1], `,"prevSeq":`...), prev, 10)
		data = append(data, '}')
	}
	return appendBlock(make([]byte, 0, len(data)+64), e.Cursor, data), nil
}

// appendBlock ends a block with its id and its data, which is JSON without line breaks.
func appendBlock(b []byte, id schema.Cursor, data []byte) []byte {
	if !id.IsZero() {
		b = append(append(append(b, "id: "...), id.String()...), '\n')
	}
	return append(append(append(b, "data: "...), data...), "\n\n"...)
}

// commentBlock returns a line that clients do not look at. The text has no line breaks.
func commentBlock(text string) []byte { return []byte(": " + text + "\n\n") }
