package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/sallyport/sallyport/internal/core"
)

// openFolder makes a data folder that only we can read, and takes it for this process.
// The lock goes with the process, however that ends.
func openFolder(path string) (lock *os.File, err error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	if err := os.Chmod(path, 0o700); err != nil { //nolint:gosec // a folder is entered by its x
		return nil, fmt.Errorf("close the data folder to others: %w", err)
	}
	name := filepath.Join(path, "sallyport.lock")
	lock, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the data folder: %w", err)
	}
	if err := takeLock(lock, path); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

func takeLock(lock *os.File, folder string) error {
	err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return core.Errorf(core.Conflict, "the data folder %s is in use by %s", folder, holder(lock)).
			WithHint("stop that server first, or give this one a data folder of its own")
	}
	if err != nil {
		return fmt.Errorf("lock the data folder %s: %w", folder, err)
	}
	if err := lock.Truncate(0); err != nil {
		return fmt.Errorf("write the lock of the data folder: %w", err)
	}
	if _, err := lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return fmt.Errorf("write the lock of the data folder: %w", err)
	}
	return nil
}

// holder names the process that has the lock.
func holder(lock *os.File) string {
	text := make([]byte, 32)
	n, _ := lock.ReadAt(text, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	if err != nil {
		return "another process"
	}
	return "process " + strconv.Itoa(pid)
}
