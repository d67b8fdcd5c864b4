//go:build unix

package sdk

import (
	"errors"
	"os"
)

// syncDir has what was renamed in a directory on the disk.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
