package process

import (
	"bufio"
	"errors"
	"io"
)

// maxLine bounds a line in bytes; what is beyond is left out.
const maxLine = 64 << 10

// eachLine calls f for every line of r until it ends. A line that is too long is cut. The slice is valid during the call.
func eachLine(r io.Reader, f func(line []byte, cut bool)) {
	br := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := br.ReadSlice('\n')
		cut := errors.Is(err, bufio.ErrBufferFull)
		if n := len(line); n > 0 && line[n-1] == '\n' {
			line = line[:n-1]
		}
		if len(line) > 0 {
			f(line, cut)
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = br.ReadSlice('\n')
		}
		if err != nil {
			return
		}
	}
}
