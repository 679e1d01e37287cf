package api

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerOf asks the kernel who is at the other end.
func peerOf(c *net.UnixConn) (peer, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return peer{}, err
	}
	var cred *unix.Xucred
	var trouble error
	err = raw.Control(func(fd uintptr) {
		cred, trouble = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	})
	if err != nil {
		return peer{}, err
	}
	if trouble != nil {
		return peer{}, trouble
	}
	return peer{uid: cred.Uid}, nil
}

// closeToOthers can do nothing here before the socket is bound.
func closeToOthers(uintptr) {}
