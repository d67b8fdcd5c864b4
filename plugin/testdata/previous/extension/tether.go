//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
)

// tether is the extension's end of the tether, or nothing where the host has none.
type tether struct {
	conn    *net.UnixConn
	serve   chan struct{} // closed when it is on this process to accept
	answers chan answer
}

type message struct {
	ID      uint64 `json:"id,omitempty"`
	Op      string `json:"op,omitempty"`
	Network string `json:"network,omitempty"`
	Address string `json:"address,omitempty"`
	Error   string `json:"error,omitempty"`
}

type answer struct {
	message
	descriptors []int
}

func connect() *tether {
	t := &tether{serve: make(chan struct{}), answers: make(chan answer, 1)}
	fd, err := strconv.Atoi(os.Getenv("STAGEHOUSE_TETHER_FD"))
	if err != nil {
		close(t.serve)
		return t
	}
	syscall.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), "tether")
	conn, err := net.FileConn(f)
	if err != nil {
		fmt.Fprintln(os.Stderr, "the tether:", err)
		os.Exit(1)
	}
	_ = f.Close() // conn has a duplicate
	t.conn = conn.(*net.UnixConn)
	go t.read()
	return t
}

// read takes what the host says until it is gone, which is the end of this process, too.
func (t *tether) read() {
	begin := sync.OnceFunc(func() { close(t.serve) })
	buf, oob := make([]byte, 4<<10), make([]byte, 64)
	for {
		n, oobn, _, _, err := t.conn.ReadMsgUnix(buf, oob)
		if err != nil || n == 0 {
			os.Exit(0)
		}
		var a answer
		if err := json.Unmarshal(buf[:n], &a.message); err != nil {
			fmt.Fprintln(os.Stderr, "the tether:", err)
			os.Exit(1)
		}
		a.descriptors = descriptors(oob[:oobn])
		switch {
		case a.ID != 0:
			t.answers <- a
			continue
		case a.Op == "serve":
			begin()
		}
		for _, fd := range a.descriptors { // of a bridge, over which this one moves nothing
			_ = syscall.Close(fd)
		}
	}
}

func descriptors(oob []byte) (all []int) {
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	for _, m := range messages {
		fds, err := syscall.ParseUnixRights(&m)
		if err == nil {
			all = append(all, fds...)
		}
	}
	return all
}

// listen returns the host's listener for an address.
func (t *tether) listen(address string) (net.Listener, error) {
	if t.conn == nil {
		return net.Listen("tcp", address)
	}
	if err := t.say(message{ID: 1, Op: "listen", Network: "tcp", Address: address}); err != nil {
		return nil, err
	}
	a := <-t.answers
	if a.Error != "" || len(a.descriptors) != 1 {
		return nil, errors.New("no listener: " + a.Error)
	}
	f := os.NewFile(uintptr(a.descriptors[0]), "listener")
	defer f.Close() // the listener has a duplicate
	return net.FileListener(f)
}

func (t *tether) left() {
	if t.conn != nil {
		_ = t.say(message{Op: "left"}) // a host that is gone need not hear of it
	}
}

func (t *tether) say(m message) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = t.conn.Write(b)
	return err
}
