package trial_test

import (
	"errors"
	"syscall"
)

func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

func hang() error { return errors.ErrUnsupported }
