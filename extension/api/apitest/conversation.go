package apitest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/gobwas/ws"
)

// conversation is what goes over one connection: requests and their answers, and then perhaps frames.
type conversation struct {
	tap             *Tap
	asked, answered *heard
	requests        chan exchange // each without its answer yet
	switched        chan bool     // whether the request that asked for it has made a WebSocket of the connection
	over            chan struct{} // closed when no more answers can be told apart

	socket *Exchange
	mu     sync.Mutex
	wrong  map[string]error // by its id: a command that the document does not allow, which the server may only refuse
}

func newConversation(p *Tap, asked, answered *heard) *conversation {
	return &conversation{
		tap: p, asked: asked, answered: answered, requests: make(chan exchange), switched: make(chan bool), over: make(chan struct{}),
		socket: p.frames.NewExchange(), wrong: map[string]error{},
	}
}

// judge returns when the connection is over.
func (c *conversation) judge() {
	var reading sync.WaitGroup
	reading.Go(c.readRequests)
	c.readAnswers()
	close(c.over)
	reading.Wait()
}

func (c *conversation) readRequests() {
	defer c.asked.leave()
	defer close(c.requests)
	in := bufio.NewReader(c.asked)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		r.URL.Scheme, r.URL.Host = "http", r.Host
		sent, _ := io.ReadAll(r.Body) // of what is cut off the server may still say that it is too long
		select {
		case c.requests <- exchange{request: r, sent: sent}:
		case <-c.over:
			return
		}
		if r.Header.Get("Upgrade") == "" {
			continue
		}
		select {
		case socket := <-c.switched:
			if socket {
				readMessages(in, c.command)
				return
			}
		case <-c.over:
			return
		}
	}
}

func (c *conversation) readAnswers() {
	in := bufio.NewReader(c.answered)
	for x := range c.requests {
		var err error
		for x.response == nil || x.response.StatusCode == http.StatusContinue {
			if x.response, err = http.ReadResponse(in, x.request); err != nil {
				return
			}
		}
		socket := x.response.StatusCode == http.StatusSwitchingProtocols
		x.streamed = goesOn(x.response)
		if !x.streamed {
			if x.received, err = body(x.response); err != nil {
				return
			}
		}
		if err := c.tap.exchanges.check(x); err != nil {
			c.tap.fail("%s", x.broken(err))
		}
		c.tap.answers.Add(1)
		if x.request.Header.Get("Upgrade") != "" {
			c.switched <- socket
		}
		switch {
		case socket:
			readMessages(in, c.frame)
			return
		case x.streamed && x.request.Method != http.MethodHead:
			c.readEvents(x)
		}
	}
}

// body reads the whole body of an answer, as a client does that has asked for it as it is.
func body(r *http.Response) ([]byte, error) {
	in := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" && r.Request.Method != http.MethodHead {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		in = z
		r.Header.Del("Content-Encoding")
	}
	return io.ReadAll(in)
}

// readEvents judges the events of a stream until it ends. Those of the log have no name.
func (c *conversation) readEvents(x exchange) {
	in := bufio.NewReader(x.response.Body)
	name := ""
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		field, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(":"))
		switch value = bytes.TrimSpace(value); string(field) {
		case "event":
			name = string(value)
		case "data":
			if name == "ack" {
				c.judged(c.tap.exchanges.checkAck(x, value))
			} else {
				c.judged(c.tap.frames.Check(FromServer, value))
			}
			name = ""
		}
	}
}

// command takes what a client has sent. That it is not allowed is for the server to say.
func (c *conversation) command(b []byte) {
	if err := c.socket.Sent(b); err != nil {
		var h head
		_ = json.Unmarshal(b, &h) // without an id, its answer is not known either
		c.mu.Lock()
		defer c.mu.Unlock()
		c.wrong[string(h.ID)] = err
	}
}

func (c *conversation) frame(b []byte) {
	c.asked.settle() // what it answers was heard before
	var h head
	_ = json.Unmarshal(b, &h) // a frame that is no JSON is what is found wrong with it
	c.mu.Lock()
	refused := c.wrong[string(h.ID)]
	if h.ID != nil {
		delete(c.wrong, string(h.ID))
	}
	c.mu.Unlock()
	err := c.socket.Got(b)
	if h.ID != nil && refused != nil && h.Code == "" {
		err = errors.Join(err, errAccepted, refused)
	}
	c.judged(err)
}

var errAccepted = errors.New("the server accepted what the document does not allow")

func (c *conversation) judged(err error) {
	if err != nil {
		c.tap.fail("%.4000s", err)
	}
	c.tap.messages.Add(1)
}

// readMessages calls f with every text message, of one direction of a WebSocket, until that ends.
func readMessages(in io.Reader, f func([]byte)) {
	var message, part bytes.Buffer
	for {
		h, err := ws.ReadHeader(in)
		if err != nil {
			return
		}
		part.Reset()
		if _, err := io.CopyN(&part, in, h.Length); err != nil { // which takes no more room than there comes, whatever the header says
			return
		}
		if h.Masked {
			ws.Cipher(part.Bytes(), h.Mask, 0)
		}
		if h.OpCode.IsControl() {
			continue
		}
		message.Write(part.Bytes())
		if h.Fin {
			f(message.Bytes())
			message.Reset()
		}
	}
}
