package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// Memory returns how much memory of the process is resident, in bytes; 0 if that cannot be told.
func (p *Process) Memory() uint64 {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.PID()))
	if err != nil {
		return 0
	}
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseUint(string(fields[1]), 10, 64) // 0 where it is no number
	return pages * uint64(os.Getpagesize())
}
