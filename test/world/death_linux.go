package world

import "syscall"

// dieWithUs ends the process when the thread that started it ends, kill -9 of us included.
func dieWithUs(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }
