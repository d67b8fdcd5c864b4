package process

import (
	"log/slog"
	"sync"
	"time"
)

// tellAfter is how long what is left out is counted before the log is told, so that a flood has one line a while.
const tellAfter = time.Second

// omissions counts what is left out of a log, and tells the log, soon and once for all of it.
type omissions struct {
	log *slog.Logger

	mu    sync.Mutex
	lines int
	bytes int         // of those lines, and of lines that were cut
	due   *time.Timer // nil = there is nothing to tell
}

// line counts a line that was left out.
func (o *omissions) line(bytes int) { o.add(1, bytes) }

// rest counts what was left out of a line that was cut.
func (o *omissions) rest(bytes int) { o.add(0, bytes) }

func (o *omissions) add(lines, bytes int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines += lines
	o.bytes += bytes
	if o.due == nil {
		o.due = time.AfterFunc(tellAfter, o.tell)
	}
}

// tell tells now what there is to tell. It is called when nothing can be left out any more, too.
func (o *omissions) tell() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.due == nil {
		return
	}
	o.due.Stop()
	o.log.Warn("the extension logs too much; some of it was left out", "lines", o.lines, "bytes", o.bytes)
	o.lines, o.bytes, o.due = 0, 0, nil
}
