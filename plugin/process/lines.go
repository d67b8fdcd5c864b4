package process

import (
	"bufio"
	"errors"
	"io"
)

// maxLine bounds a line in bytes; what is beyond is left out.
const maxLine = 64 << 10

// sink takes what a process writes, line by line.
type sink struct {
	line func(line []byte, cut bool) // without its end; the slice is valid during the call
	rest func(bytes int)             // how much was left out of a line that was too long; such a line may have several
}

// eachLine gives s every line of r until it ends. A line that is too long is cut.
func eachLine(r io.Reader, s sink) {
	br := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := br.ReadSlice('\n')
		cut := errors.Is(err, bufio.ErrBufferFull)
		if n := len(line); n > 0 && line[n-1] == '\n' {
			line = line[:n-1]
		}
		if len(line) > 0 {
			s.line(line, cut)
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			line, err = br.ReadSlice('\n')
			s.rest(len(line))
		}
		if err != nil {
			return
		}
	}
}
