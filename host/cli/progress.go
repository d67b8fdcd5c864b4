package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/stagehouse/stagehouse/host/memories"
)

const (
	barWidth    = 30
	plainEvery  = 5 * time.Second // a line without a terminal, at most
	clearToEdge = "\x1b[K"
)

// progress shows how far the embedding of memories is: a bar that is drawn over itself, or, where there is no terminal, a line now
// and then.
type progress struct {
	out    io.Writer
	redraw bool
	now    func() time.Time

	began  time.Time
	first  int    // memories that were embedded when it began
	last   string // line
	at     time.Time
	failed string // the error that was shown last
}

// show shows x.
func (p *progress) show(x memories.Index) {
	now := p.now()
	if p.began.IsZero() || x.Placed < p.first {
		p.began, p.first = now, x.Placed
	}
	line := fmt.Sprintf("embedded %d of %s%s", x.Placed, inMemories(x.Memories), p.left(x, now))
	if x.State == memories.StateWaiting {
		line = fmt.Sprintf("embedded %d of %s, waiting: %s", x.Placed, inMemories(x.Memories), x.Error)
	}
	if p.redraw {
		fmt.Fprintf(p.out, "\r%s %s%s", bar(x.Placed, x.Memories), strings.ReplaceAll(line, "\n", " "), clearToEdge)
		p.last = line
		return
	}
	if line == p.last || now.Sub(p.at) < plainEvery && !x.Done() && x.Error == p.failed {
		return
	}
	fmt.Fprintln(p.out, line)
	p.last, p.at, p.failed = line, now, x.Error
}

// end leaves the line of the bar.
func (p *progress) end() {
	if p.redraw && p.last != "" {
		fmt.Fprintln(p.out)
	}
}

// left says how long it will take at the pace it had.
func (p *progress) left(x memories.Index, now time.Time) string {
	done, took := x.Placed-p.first, now.Sub(p.began)
	if done <= 0 || took < time.Second || x.Placed >= x.Memories {
		return ""
	}
	left := time.Duration(float64(took) / float64(done) * float64(x.Memories-x.Placed))
	return ", about " + age(left) + " left"
}

func bar(done, all int) string {
	full := barWidth
	if all > 0 {
		full = min(barWidth*done/all, barWidth)
	}
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", barWidth-full) + "]"
}
