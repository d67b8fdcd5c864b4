package trial_test

import "syscall"

func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
