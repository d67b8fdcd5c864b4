package tether

import (
	"syscall"

	"golang.org/x/sys/windows"
)

func isAddressInUse(e syscall.Errno) bool { return e == windows.WSAEADDRINUSE }
