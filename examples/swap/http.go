package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// strict is an HTTP client with one connection, which never tries anything again.
type strict struct {
	load *load
	conn net.Conn
	in   *bufio.Reader
	slow bool // it sends a body in two halves
}

// ask sends one request. An error is one that a user would see.
func (s *strict) ask(method, path, body string) ([]byte, error) {
	begin := time.Now()
	if s.conn == nil {
		c, err := net.DialTimeout("tcp", s.load.host.address, patience)
		if err != nil {
			s.load.refused.Add(1)
			return nil, err
		}
		s.conn, s.in = c, bufio.NewReader(c)
	}
	_ = s.conn.SetDeadline(time.Now().Add(patience))
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: stagehouse\r\nAuthorization: Bearer %s\r\n", method, path, s.load.host.token)
	if body != "" {
		head += fmt.Sprintf("Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	first, second := head+"\r\n"+body, ""
	if s.slow {
		cut := len(first) - len(body)/2
		first, second = first[:cut], first[cut:]
	}
	_, err := io.WriteString(s.conn, first)
	if err == nil && second != "" {
		time.Sleep(30 * time.Millisecond)
		_, err = io.WriteString(s.conn, second)
	}
	var answer []byte
	if err == nil {
		answer, err = s.read(method)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	s.load.took(time.Since(begin))
	return answer, nil
}

func (s *strict) read(method string) ([]byte, error) {
	resp, err := http.ReadResponse(s.in, &http.Request{Method: method})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s", resp.Status, b)
	}
	if resp.Close {
		s.close()
	}
	return b, err
}

func (s *strict) close() {
	if s.conn != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
}

// get reads an agent.
func (s *strict) get() error {
	b, err := s.ask(http.MethodGet, "/api/agents/nyx", "")
	if err == nil && !strings.Contains(string(b), `"id":"nyx"`) {
		err = fmt.Errorf("it answers %.100q", b)
	}
	return err
}

// post stores a memory, and takes note of it once it is acknowledged.
func (s *strict) post() error {
	content := fmt.Sprintf("swap memory number %d", s.load.number.Add(1))
	b, err := s.ask(http.MethodPost, "/api/memory/store", fmt.Sprintf(`{"agentId":"aria","content":%q}`, content))
	if err != nil {
		return err
	}
	var item struct{ ID, Content string }
	if err := json.Unmarshal(b, &item); err != nil || item.Content != content {
		return fmt.Errorf("it answers %.100q", b)
	}
	s.load.keep(func(l *load) { l.memories[item.ID] = content })
	return nil
}

// touch changes an agent, which is an event for all sockets.
func (s *strict) touch() error {
	_, err := s.ask(http.MethodPut, "/api/agents/nyx", fmt.Sprintf(`{"metadata":{"n":%d}}`, s.load.number.Add(1)))
	return err
}
