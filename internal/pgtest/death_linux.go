package pgtest

import "syscall"

// dieWithUs ends the server when the thread that started it ends, kill -9 of us included.
func dieWithUs(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGQUIT }
