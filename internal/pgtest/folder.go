package pgtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const folderPrefix = "sallyport-pgtest-"

// A folder holds one server's files. It is locked while its owner lives, so that folders
// whose owner was killed can be told and removed by whoever comes next.
type folder struct {
	path string
	lock *os.File
}

func (f folder) data() string    { return filepath.Join(f.path, "data") }
func (f folder) sockets() string { return f.path }

// makeFolder makes a locked folder that belongs to whoever runs PostgreSQL.
func makeFolder() (folder, error) {
	removeOrphans()
	path, err := os.MkdirTemp("", folderPrefix)
	if err != nil {
		return folder{}, fmt.Errorf("make a folder for PostgreSQL: %w", err)
	}
	f := folder{path: path}
	if err := f.claim(); err != nil {
		return folder{}, errors.Join(fmt.Errorf("make a folder for PostgreSQL: %w", err), os.RemoveAll(path))
	}
	return f, nil
}

// claim locks the folder. The lock gets its name only when it is held: a lock that is
// there and free is an orphan's.
func (f *folder) claim() error {
	lock, err := os.Create(filepath.Join(f.path, "lock.new"))
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errors.Join(err, lock.Close())
	}
	f.lock = lock
	if err := os.Rename(lock.Name(), filepath.Join(f.path, "lock")); err != nil {
		return err
	}
	cred, err := credential()
	if err != nil || cred == nil {
		return err
	}
	return os.Chown(f.path, int(cred.Uid), int(cred.Gid))
}

func (f folder) remove() error {
	return errors.Join(os.RemoveAll(f.path), f.lock.Close())
}

// removeOrphans removes what killed test processes left. It is a kindness: what cannot be
// removed stays.
func removeOrphans() {
	locks, _ := filepath.Glob(filepath.Join(os.TempDir(), folderPrefix+"*", "lock"))
	for _, name := range locks {
		lock, err := os.Open(name)
		if err != nil {
			continue
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(filepath.Dir(name))
		}
		_ = lock.Close()
	}
}
