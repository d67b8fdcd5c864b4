package process

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// Files returns how many files the process has open.
func (p *Process) Files() Files {
	open := openFiles(p.PID())
	if open == 0 { // it is gone, or does not let us look
		return Files{}
	}
	return Files{Open: open, Limit: fileLimit(p.PID())}
}

func openFiles(pid int) uint64 {
	path := fmt.Sprintf("/proc/%d/fd", pid)
	if info, err := os.Stat(path); err == nil && info.Size() > 0 { // since Linux 6.2, however many there are
		return uint64(info.Size())
	}
	dir, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // what there is of them when the process ends
	return uint64(len(names))
}

func fileLimit(pid int) uint64 {
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		return 0
	}
	for lines := bufio.NewScanner(bytes.NewReader(limits)); lines.Scan(); {
		if rest, ok := bytes.CutPrefix(lines.Bytes(), []byte("Max open files")); ok {
			soft, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
			n, _ := strconv.ParseUint(string(soft), 10, 64) // 0 where it is "unlimited"
			return n
		}
	}
	return 0
}
