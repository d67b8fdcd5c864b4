//go:build unix

package tether

import "syscall"

func isAddressInUse(e syscall.Errno) bool { return e == syscall.EADDRINUSE }
