package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
)

// The exit statuses.
const (
	exitDone = iota
	exitFailed
	exitUsage
	exitRefused
	exitNotFound
	exitUnavailable
)

// A problem is an error with an exit status of its own.
type problem struct {
	status     int
	text, hint string
	below      string // lines shown under the text, such as a caret under a fault
}

func (p *problem) Error() string { return p.text }

// fail says what went wrong and what to do about it, and returns the exit status.
func (s *shell) fail(err error) int {
	if err == nil {
		return exitDone
	}
	p := asProblem(err)
	text, hint, below := p.text, p.hint, p.below
	if !s.raw {
		text, hint, below = plainLines(text), plainLines(hint), plainLines(below)
	}
	if text != "" {
		fmt.Fprintf(s.err, "sallyport: %s\n", text)
	}
	if below != "" {
		fmt.Fprintln(s.err, below)
	}
	if hint != "" {
		fmt.Fprintf(s.err, "hint: %s\n", hint)
	}
	return p.status
}

func asProblem(err error) *problem {
	var p *problem
	var remote *client.Error
	var local *core.Error
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &remote):
		return ofServer(err, remote)
	case errors.As(err, &local):
		return &problem{status: statusOf(local.Kind), text: err.Error(), hint: local.Hint}
	case errors.Is(err, context.Canceled):
		return &problem{status: exitFailed, text: "interrupted"}
	case errors.Is(err, context.DeadlineExceeded):
		return &problem{status: exitUnavailable, text: "no answer in time"}
	}
	return &problem{status: exitFailed, text: err.Error()}
}

func ofServer(err error, remote *client.Error) *problem {
	if errors.Is(remote.Err, syscall.EACCES) {
		return &problem{
			status: exitRefused, text: remote.Err.Error(),
			hint: "the socket is for the server's own user and for root",
		}
	}
	p := &problem{status: remote.ExitCode(), text: err.Error(), hint: remote.Hint}
	if remote.Kind == client.KindInternal && remote.RequestID != "" && p.hint == "" {
		p.hint = "the server's log has more under " + remote.RequestID
	}
	return p
}

func statusOf(kind core.Kind) int {
	switch kind {
	case core.Invalid:
		return exitUsage
	case core.Refused:
		return exitRefused
	case core.NotFound:
		return exitNotFound
	case core.Unavailable:
		return exitUnavailable
	default:
		return exitFailed
	}
}

// fileProblem says what is wrong with a file that was named.
func fileProblem(err error) error {
	var path *fs.PathError
	if !errors.As(err, &path) {
		return err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return core.Errorf(core.NotFound, "there is no file %s", path.Path)
	case errors.Is(err, fs.ErrPermission):
		return core.Errorf(core.Refused, "%s may not be read: permission denied", path.Path)
	}
	return core.Errorf(core.Internal, "%s %s: %w", path.Op, path.Path, path.Err)
}
