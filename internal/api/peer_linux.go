package api

import (
	"net"
	"syscall"
)

// peerOf asks the kernel who is at the other end.
func peerOf(c *net.UnixConn) (peer, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return peer{}, err
	}
	var cred *syscall.Ucred
	var trouble error
	err = raw.Control(func(fd uintptr) {
		cred, trouble = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err != nil {
		return peer{}, err
	}
	if trouble != nil {
		return peer{}, trouble
	}
	return peer{uid: cred.Uid}, nil
}

// closeToOthers sets the mode of a socket before it is bound, so that there is no moment at
// which others can connect.
func closeToOthers(fd uintptr) {
	_ = syscall.Fchmod(int(fd), 0o600) // it is set again, with its error, once the file is there
}
