package tether

import (
	"errors"
	"net"
	"sync"
)

// maxListeners bounds how many listeners the host keeps for one extension.
const maxListeners = 64

// Listeners are the listeners that the host keeps for one extension. All generations of it are served from the same ones.
// It is safe for concurrent use; Close lets go of them.
type Listeners struct {
	extension string
	holder    func(network, address string) string

	mu     sync.Mutex
	held   map[place]held
	closed bool
}

// place is what an extension asked for. An address with port 0 may be asked for several times by one generation, each
// time for a listener of its own, and the next generation gets the same ones in the same order.
type place struct {
	network, address string
	nth              int
}

// held is a listener that the host keeps.
type held interface {
	Addr() net.Addr
	Close() error
}

// NewListeners returns an empty set for an extension of that name. holder returns the name of the extension of this host
// that listens at an address, or ""; it is called when an address is taken, and may be nil.
func NewListeners(extension string, holder func(network, address string) string) *Listeners {
	return &Listeners{extension: extension, holder: holder, held: map[place]held{}}
}

// At reports whether one of the listeners is in the way of another one at the address.
func (l *Listeners) At(network, address string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.held {
		if inTheWay(h.Addr(), network, address) {
			return true
		}
	}
	return false
}

// inTheWay reports whether a listener at addr keeps others from the address, which the system says is taken.
func inTheWay(addr net.Addr, network, address string) bool {
	taken, ok := addr.(*net.TCPAddr)
	if !ok || network == "unix" {
		return addr.Network() == network && addr.String() == address
	}
	wanted, err := net.ResolveTCPAddr(network, address)
	if err != nil || wanted.Port != taken.Port {
		return false
	}
	return len(wanted.IP) == 0 || wanted.IP.IsUnspecified() || taken.IP.IsUnspecified() || wanted.IP.Equal(taken.IP)
}

// Release lets go of every listener, as Close does, and binds anew what is asked for later.
func (l *Listeners) Release() error { return l.keep(func(place) bool { return false }) }

// keep closes the listeners that wanted does not want.
func (l *Listeners) keep(wanted func(place) bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for p, h := range l.held {
		if !wanted(p) {
			errs = append(errs, h.Close())
			delete(l.held, p)
		}
	}
	return errors.Join(errs...)
}

// Close stops listening. Processes that hold a listener of the set go on accepting from it until they close it too.
func (l *Listeners) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	var errs []error
	for p, h := range l.held {
		errs = append(errs, h.Close())
		delete(l.held, p)
	}
	return errors.Join(errs...)
}
