//go:build !linux

package tether

import "os"

// Shared says whether generations of an extension share their listeners.
const Shared = false

// Bridge returns nothing: connections cannot move here.
func Bridge() (older, younger *os.File, err error) { return nil, nil, nil }
