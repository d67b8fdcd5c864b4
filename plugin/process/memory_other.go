//go:build !linux

package process

// Memory returns 0: this system does not tell simply.
func (p *Process) Memory() uint64 { return 0 }
