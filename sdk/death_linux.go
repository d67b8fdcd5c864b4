package sdk

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxThreads bounds the search for the first thread of the process. A program that begins has a handful.
const maxThreads = 64

// softenDeath has the kernel send SIGTERM instead of SIGKILL when the host dies, so that there is time to drain. The
// signal belongs to the first thread of the process, on which main begins, but need not go on. From elsewhere it can be
// changed on all threads at once, except in a program with cgo; there the first thread is looked for. Where it is not
// found, because it waits for something, the process dies with its host without a drain, which is safe.
func softenDeath() {
	if softenHere() {
		return
	}
	if _, _, errno := syscall.AllThreadsSyscall(syscall.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGTERM), 0); errno == 0 {
		return
	}
	// Each goroutine keeps its thread until the end, so that the next one gets another; idle ones come before new ones.
	over := make(chan struct{})
	defer close(over)
	for range maxThreads {
		found := make(chan bool)
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			found <- softenHere()
			<-over
		}()
		if <-found {
			return
		}
	}
}

// softenHere reports whether it could do it, which it can on the first thread.
func softenHere() bool {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return unix.Gettid() == os.Getpid() && unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGTERM), 0, 0, 0) == nil
}
