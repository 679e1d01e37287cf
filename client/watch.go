package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
)

// FromNow makes Watch begin with the next change.
const FromNow int64 = -1

// Watch yields every audit entry after a sequence number, and then the new ones as they come,
// until ctx ends. FromNow leaves out what was before. The last pair may carry an error; when
// the connection breaks, watch on after the last Seq.
func (c *Client) Watch(ctx context.Context, after int64) iter.Seq2[AuditEntry, error] {
	return func(yield func(AuditEntry, error) bool) {
		v := values{}
		if after != FromNow {
			v.set("after", strconv.FormatInt(after, 10))
		}
		q := get("/v1/watch", v)
		q.accept = "text/event-stream"
		res, err := c.send(ctx, q)
		if err != nil {
			yield(AuditEntry{}, err)
			return
		}
		defer func() { _ = res.Body.Close() }()
		stopped := errors.New("stopped")
		err = readEvents(res.Body, func(name string, data []byte) error {
			if name == "problem" {
				problem := &Error{}
				if err := json.Unmarshal(data, problem); err != nil {
					return fmt.Errorf("read a problem: %w", err)
				}
				return problem
			}
			var e AuditEntry
			if err := json.Unmarshal(data, &e); err != nil {
				return fmt.Errorf("read a change: %w", err)
			}
			if !yield(e, nil) {
				return stopped
			}
			return nil
		})
		var problem *Error
		switch {
		case errors.Is(err, stopped) || ctx.Err() != nil:
		case errors.As(err, &problem):
			yield(AuditEntry{}, problem)
		default: // the server never ends a watch by itself, but when it stops
			yield(AuditEntry{}, c.unreached(ctx, errors.Join(err, io.ErrUnexpectedEOF)))
		}
	}
}

// readEvents calls each with the name and the data of every event of a stream.
func readEvents(stream io.Reader, each func(name string, data []byte) error) error {
	lines := bufio.NewScanner(stream)
	lines.Buffer(make([]byte, 0, 64<<10), 8<<20)
	name, data := "", []byte(nil)
	for lines.Scan() {
		line := lines.Bytes()
		if rest, ok := bytes.CutPrefix(line, []byte("event:")); ok {
			name = string(bytes.TrimSpace(rest))
			continue
		}
		if rest, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			data = append(data, bytes.TrimPrefix(rest, []byte(" "))...)
			continue
		}
		if len(line) == 0 && len(data) > 0 {
			if err := each(name, data); err != nil {
				return err
			}
			name, data = "", data[:0]
		}
	}
	return lines.Err()
}
