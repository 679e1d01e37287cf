package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sallyport/sallyport/internal/connector"
	"github.com/sallyport/sallyport/internal/core"
)

// everywhere is one target under every name.
type everywhere struct{ target connector.Provisioner }

// Provisioner returns the target.
func (e everywhere) Provisioner(context.Context, string) (connector.Provisioner, error) {
	return e.target, nil
}

// A recorder is a target that shows what held says, until that is taken. It keeps nothing
// else, so that the memory of its process is the server's, and notes when each was taken.
type recorder struct {
	count int

	mu    sync.Mutex
	taken map[core.Entitlement]time.Time
}

// held is the i-th of the entitlements that P7 begins with.
func held(i int) core.Entitlement {
	return core.Entitlement{User: email(i % people), Resource: core.Resource{Target: "held", Name: fmt.Sprintf("thing-%d", i)}}
}

// Has reports whether the entitlement was not taken.
func (r *recorder) Has(_ context.Context, e core.Entitlement) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, taken := r.taken[e]
	return !taken, nil
}

// Grant gives back what was taken.
func (r *recorder) Grant(_ context.Context, e core.Entitlement) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.taken, e)
	return nil
}

// Revoke notes the time.
func (r *recorder) Revoke(_ context.Context, e core.Entitlement) error {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, again := r.taken[e]; !again {
		r.taken[e] = now
	}
	return nil
}

// List returns what is held.
func (r *recorder) List(context.Context) ([]core.Entitlement, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]core.Entitlement, 0, r.count)
	for i := range r.count {
		if e := held(i); r.taken[e].IsZero() {
			out = append(out, e)
		}
	}
	return out, nil
}

// write writes what was taken, and when, to a file.
func (r *recorder) write(file string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for e, at := range r.taken {
		fmt.Fprintf(&b, "%s %d\n", e.Name, at.UnixMicro())
	}
	return os.WriteFile(file, []byte(b.String()), 0o600)
}

// readTaken reads what write wrote, by name.
func readTaken(file string) (map[string]time.Time, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out := map[string]time.Time{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var name string
		var at int64
		if _, err := fmt.Sscan(lines.Text(), &name, &at); err != nil {
			return nil, err
		}
		out[name] = time.UnixMicro(at)
	}
	return out, lines.Err()
}

// A folder is a target that outlives the server's process: a file for each entitlement.
type folder string

func (f folder) file(e core.Entitlement) string {
	return filepath.Join(string(f), hex.EncodeToString([]byte(e.User+"\n"+e.Target+"\n"+e.Name)))
}

// Has reports whether the file is there.
func (f folder) Has(_ context.Context, e core.Entitlement) (bool, error) {
	_, err := os.Stat(f.file(e))
	if os.IsNotExist(err) {
		return false, nil
	}
	return err == nil, err
}

// Grant makes the file.
func (f folder) Grant(_ context.Context, e core.Entitlement) error {
	return os.WriteFile(f.file(e), nil, 0o600)
}

// Revoke removes the file.
func (f folder) Revoke(_ context.Context, e core.Entitlement) error {
	if err := os.Remove(f.file(e)); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// List reads the files' names.
func (f folder) List(context.Context) ([]core.Entitlement, error) {
	files, err := os.ReadDir(string(f))
	if err != nil {
		return nil, err
	}
	var out []core.Entitlement
	for _, file := range files {
		text, err := hex.DecodeString(file.Name())
		if err != nil {
			return nil, err
		}
		parts := strings.Split(string(text), "\n")
		out = append(out, core.Entitlement{User: parts[0], Resource: core.Resource{Target: parts[1], Name: parts[2]}})
	}
	return out, nil
}
