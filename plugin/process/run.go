package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Run runs the program of cfg once, without a handshake or a tether, and returns what it wrote to its standard output,
// at most limit bytes. When ctx is done its process group is killed. Name and Generation of cfg are not used.
func Run(ctx context.Context, cfg Config, stdin []byte, limit int) ([]byte, error) {
	begun := time.Now()
	dir, err := newDirectory(cfg.RunDir, cfg.Name, cfg.Generation)
	if err != nil {
		return nil, err
	}
	log := newLogger(cfg.Log)
	out, err := run(ctx, cfg, dir, log, stdin, limit)
	if errors.Is(err, context.DeadlineExceeded) {
		err = &NotReadyError{After: time.Since(begun), Last: log.lastWords()}
	}
	return out, errors.Join(err, dir.remove())
}

func run(ctx context.Context, cfg Config, dir *directory, log *logger, stdin []byte, limit int) ([]byte, error) {
	cmd, err := prepare(cfg, dir)
	if err != nil {
		return nil, err
	}
	cmd.Stdin = bytes.NewReader(stdin)
	cmd.WaitDelay = outputGrace
	var out []byte
	tooMuch := make(chan struct{})
	l := NewLauncher()
	defer l.Close()
	c, err := launch(l.own, cmd, nil, nil, log, func(r io.Reader) {
		out, _ = io.ReadAll(io.LimitReader(r, int64(limit)+1)) // it ends with the process, or is cut below
		if len(out) > limit {
			close(tooMuch)
		}
	})
	if err != nil {
		return nil, err
	}
	var cut error
	select {
	case <-c.done:
	case <-tooMuch:
		cut = &OutputError{Message: fmt.Sprintf("it wrote more than %d bytes to its standard output", limit)}
	case <-ctx.Done():
		cut = ctx.Err()
	}
	c.end()
	select {
	case <-c.done:
	case <-time.After(killWait):
		return nil, fmt.Errorf("process %d does not die; look at its state with ps", c.pid())
	}
	switch {
	case cut != nil:
		return nil, cut
	case len(out) > limit:
		return nil, &OutputError{Message: fmt.Sprintf("it wrote more than %d bytes to its standard output", limit)}
	case !c.ok():
		return nil, c.ended()
	}
	return out, nil
}
