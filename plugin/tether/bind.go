package tether

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// ListenError says why an extension cannot have a listener, and what to do about it. errors.Is finds the errno of the
// system in it, on both sides of the tether.
type ListenError struct {
	Extension string
	Network   string
	Address   string
	Errno     syscall.Errno // 0 = the system said nothing
	Message   string        // what is wrong and what to do
}

// Error returns the message.
func (e *ListenError) Error() string { return e.Message }

// Unwrap returns the errno.
func (e *ListenError) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}

// Bind announces on an address in this process, on behalf of an extension. Its error is a *ListenError. An address of IPv4
// is one of IPv4 alone, on the network tcp too, where Go takes 0.0.0.0 for every address of both families.
func Bind(ctx context.Context, extension, network, address string) (net.Listener, error) {
	family := network
	if ap, err := netip.ParseAddrPort(address); err == nil && network == "tcp" && ap.Addr().Is4() {
		family = "tcp4"
	}
	ln, err := new(net.ListenConfig).Listen(ctx, family, address)
	if err != nil {
		return nil, explain(extension, network, address, err)
	}
	return ln, nil
}

// explain words an error of the system for the operator.
func explain(extension, network, address string, err error) *ListenError {
	e := &ListenError{Extension: extension, Network: network, Address: address}
	errors.As(err, &e.Errno)
	setting := fmt.Sprintf("extensions.%s.port", extension)
	if network == "unix" {
		setting = "extensions." + extension
	}
	switch {
	case isAddressInUse(e.Errno):
		e.Message = fmt.Sprintf("another program is listening on %s; stop it or set %s", address, setting)
	case errors.Is(err, syscall.EACCES):
		e.Message = fmt.Sprintf("this user may not listen on %s; ports below 1024 are reserved: set %s to a higher one", address, setting)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		e.Message = fmt.Sprintf("this machine has no address to listen on %s; set extensions.%s.host to one that it has, such as 127.0.0.1", address, extension)
	default:
		e.Message = fmt.Sprintf("cannot listen on %s %q: %v; correct the address in extensions.%s", network, address, err, extension)
	}
	return e
}
