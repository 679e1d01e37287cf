package notary

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/proof"
)

// lastInFile returns the last checkpoint of a file; nil where there is none. What stands
// behind the last end of a line was being written when the server died.
func lastInFile(path string) (*core.Checkpoint, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // there is none, and that is no error
	}
	if err != nil {
		return nil, fmt.Errorf("read the checkpoints: %w", err)
	}
	defer f.Close() //nolint:errcheck // it is only read
	tail, _, err := tailOf(f)
	if err != nil {
		return nil, fmt.Errorf("read the checkpoints: %w", err)
	}
	tail = tail[:bytes.LastIndexByte(tail, '\n')+1]
	tail = bytes.TrimSpace(tail)
	if len(tail) == 0 {
		return nil, nil //nolint:nilnil // as above
	}
	line := tail[bytes.LastIndexByte(tail, '\n')+1:]
	c, err := proof.Read(line)
	if err != nil {
		return nil, contradicts("its last line is no checkpoint: it was changed")
	}
	return &c, nil
}

// tailOf reads the end of a file, longer than any checkpoint, and says where it begins.
func tailOf(f *os.File) (tail []byte, at int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	at = max(info.Size()-4096, 0)
	tail, err = io.ReadAll(io.NewSectionReader(f, at, info.Size()-at))
	return tail, at, err
}

// appendLine adds a line to a file, for its owner only, and returns once it is on disk.
func appendLine(path, line string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("write a checkpoint: %w", err)
	}
	tail, at, err := tailOf(f)
	if half := bytes.LastIndexByte(tail, '\n') + 1; err == nil && half < len(tail) {
		err = f.Truncate(at + int64(half)) // the server died in the middle of it
	}
	if err == nil {
		_, err = f.WriteString(line + "\n")
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write a checkpoint: %w", err)
	}
	return nil
}
