//go:build !linux

package tether

import "errors"

func dial(int, string) (Line, error) {
	return nil, errors.New("this system has no tether; the host should not have named one")
}
