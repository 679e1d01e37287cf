package store

import (
	"errors"
	"os"
	"syscall"
)

// allocate takes room on the disk for a file, also where it has holes.
func allocate(f *os.File, size int64) error {
	err := syscall.Fallocate(int(f.Fd()), 0, 0, size)
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) {
		return occupy(f, size)
	}
	return err
}
