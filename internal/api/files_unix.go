//go:build unix

package api

import "syscall"

// openFiles is how many files this process may have open.
func openFiles() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 2 * maxConnections
	}
	return int(min(uint64(l.Cur), 2*maxConnections)) //nolint:unconvert // some systems count with a sign
}
