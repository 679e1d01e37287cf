// Package proof checks an exported audit log without a server: that its entries form one
// chain, and that the chain is the one of which signed checkpoints were kept elsewhere.
//
// It reads files that an attacker may have written. It knows the form of our own exports by
// heart, because logs are long; whatever is written otherwise goes the slow way and must come
// to the same.
package proof

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// Options are what a log is held against. The zero value is nothing.
type Options struct {
	Keys        []ed25519.PublicKey // known to be the log's; none: those that the log itself names
	Checkpoints []core.Checkpoint
	Partial     bool // the log may begin in the middle
}

// A Proof is what was found.
type Proof struct {
	First, Last int64  // entries; 0, 0 where there are none
	Head        string // the hash of the last good entry
	Bad         string // what is wrong first; empty: nothing
	Checked     int    // checkpoints that hold
	Covered     int64  // the last entry that a checkpoint vouches for
	CoveredAt   time.Time
	Notes       []string // what an auditor should know, and what was not proven
}

// Verify walks an export. An error means that it could not be read as one; a log that is
// broken is no error but a Proof with Bad.
func Verify(from io.Reader, o Options) (Proof, error) {
	w := &walk{ring: core.Keyring{}, trusting: len(o.Keys) == 0, points: slices.Clone(o.Checkpoints), strange: map[string]int64{}, partial: o.Partial}
	for _, k := range o.Keys {
		w.ring.Add(k)
	}
	slices.SortStableFunc(w.points, func(a, b core.Checkpoint) int { return cmp.Compare(a.Seq, b.Seq) })
	err := w.run(from)
	w.p.Head = string(w.hash[:])
	return w.p, err
}

func (w *walk) run(from io.Reader) error {
	lines := bufio.NewReaderSize(from, 1<<20)
	for n := 1; ; n++ {
		text, err := nextLine(lines, &w.long)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if text = bytes.TrimSpace(text); len(text) > 0 {
			if err := w.take(text, n); err != nil {
				return err
			}
		}
		switch {
		case w.p.Bad != "":
			return nil
		case err == nil:
		case w.p.First == 0:
			return core.Errorf(core.Invalid, "there is no audit entry in it, so there is nothing to verify")
		default:
			w.finish()
			return nil
		}
	}
}

// nextLine returns the next line; one that is longer than the buffer is put together in long.
func nextLine(r *bufio.Reader, long *[]byte) ([]byte, error) {
	text, err := r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return text, err
	}
	*long = append((*long)[:0], text...)
	for errors.Is(err, bufio.ErrBufferFull) {
		text, err = r.ReadSlice('\n')
		*long = append(*long, text...)
	}
	return *long, err
}

// A walk is a verification under way.
type walk struct {
	p        Proof
	ring     core.Keyring
	partial  bool
	trusting bool              // no key was given: the first one in the log is believed
	strange  map[string]int64  // keys that nobody vouches for, and the entries that bring them in
	points   []core.Checkpoint // in order
	next     int               // the checkpoint to come
	log      string            // the hash of the first entry, where the log is there from its beginning
	hash     [64]byte          // of the last good entry
	buf      []byte
	long     []byte
}

// take checks the next line. The error says that it is no line of an export.
func (w *walk) take(text []byte, n int) error {
	l, ok := scan(text)
	if ok && w.p.First > 0 && l.seq == w.p.Last+1 && bytes.Equal(l.prev, w.hash[:]) {
		var digest [64]byte
		if digest, w.buf = l.sum(w.buf); bytes.Equal(digest[:], l.hash) && !bytes.Equal(l.action, keyAction) {
			w.good(l.seq, l.hash)
			return nil
		}
	}
	// The first line, one that brings in a key, one that is written in another way, or a bad one.
	e, err := decode(text)
	if err != nil {
		return core.Errorf(core.Invalid, "line %d: %w", n, err).WithHint("audit export without --csv writes what can be verified")
	}
	chain := core.Chain{Seq: w.p.Last, Hash: string(w.hash[:])}
	if w.p.First == 0 {
		chain = core.Chain{}
		if e.Seq > 1 && w.partial {
			chain = core.Chain{Seq: e.Seq - 1, Hash: e.Prev}
			w.p.Notes = append(w.p.Notes, fmt.Sprintf("the file begins with entry %d; what came before it is not proven", e.Seq))
		}
	}
	if err := chain.Verify(e); err != nil {
		w.p.Bad = err.Error()
		return nil
	}
	if w.p.First == 0 {
		w.p.First = e.Seq
		if e.Seq == 1 {
			w.log = e.Hash
		}
	}
	w.key(e)
	w.good(e.Seq, []byte(e.Hash))
	return nil
}

var keyAction = []byte(`"` + core.AuditKeyAction + `"`)

// key takes over a key that an entry brings in.
func (w *walk) key(e core.AuditEntry) {
	k, ok := core.AuditKeyOf(e)
	if !ok {
		return
	}
	id := core.AuditKeyID(k.Public)
	switch {
	case w.ring.Take(k):
	case w.trusting && len(w.ring) == 0:
		w.ring.Add(k.Public)
	default:
		w.strange[id] = e.Seq
	}
	if k.After != "" && len(k.Signature) == 0 {
		w.p.Notes = append(w.p.Notes, fmt.Sprintf("entry %d, by %s, brings in key %s without the signature of key %s before it, which was said to be lost", e.Seq, e.Actor, id, k.After))
	}
}

// good moves on behind an entry and holds it against the checkpoints of it.
func (w *walk) good(seq int64, hash []byte) {
	w.p.Last = seq
	copy(w.hash[:], hash)
	for ; w.next < len(w.points) && w.points[w.next].Seq <= seq; w.next++ {
		c := w.points[w.next]
		if c.Seq < seq { // before the first entry of the file
			continue
		}
		if !w.signed(c) {
			return
		}
		if c.Hash != string(hash) {
			w.p.Bad = fmt.Sprintf("audit entry %d, or one between it and entry %d, was changed and the log computed anew: the checkpoint of %s has another hash", seq, w.p.Covered, c.At.Format(time.RFC3339))
			return
		}
		w.p.Checked++
		w.p.Covered, w.p.CoveredAt = c.Seq, c.At
	}
}

// signed reports whether a checkpoint is to be believed and says what is wrong where not.
func (w *walk) signed(c core.Checkpoint) bool {
	key, known := w.ring[c.Key]
	at, strange := w.strange[c.Key]
	switch {
	case known && !c.SignedBy(key):
		w.p.Bad = fmt.Sprintf("the checkpoint of entry %d was changed: its signature does not match", c.Seq)
	case strange:
		w.p.Bad = fmt.Sprintf("the checkpoint of entry %d is signed by key %s, which entry %d brought in and no trusted key vouches for", c.Seq, c.Key, at)
	case !known:
		w.p.Bad = fmt.Sprintf("the checkpoint of entry %d is signed by the unknown key %.16q", c.Seq, c.Key)
	case w.log != "" && c.Log != w.log:
		w.p.Bad = fmt.Sprintf("the checkpoint of entry %d is of another log: that one begins with the hash %.16s, this one with %.16s", c.Seq, c.Log, w.log)
	}
	return w.p.Bad == ""
}

// finish looks at the checkpoints beyond the end, and says what was not proven.
func (w *walk) finish() {
	for ; w.next < len(w.points); w.next++ {
		if c := w.points[w.next]; w.signed(c) {
			w.p.Bad = fmt.Sprintf("audit entry %d is missing: the log ends at entry %d, but at %s it had %d entries: its tail was cut, an old copy restored, or it was exported before then",
				w.p.Last+1, w.p.Last, c.At.Format(time.RFC3339), c.Seq)
		}
		if w.p.Bad != "" {
			return
		}
	}
	switch {
	case w.p.Checked == 0 && !w.trusting:
		w.p.Bad = "nothing in the log is signed by the key that was given, as there is no checkpoint of it: give --checkpoints with it"
		return
	case w.p.Checked == 0:
		w.p.Notes = append(w.p.Notes, "without checkpoints, a tail that was cut off or a whole log that was computed anew cannot be seen: give --checkpoints and --key")
		return
	case w.p.Covered < w.p.Last:
		w.p.Notes = append(w.p.Notes, fmt.Sprintf("entries %d to %d are younger than the last checkpoint: that they are all there is not proven", w.p.Covered+1, w.p.Last))
	}
	if w.trusting {
		w.p.Notes = append(w.p.Notes, "the key is the one that the log itself names; whoever could write both anew could sign both: give --key with the key that you kept")
	}
}

// A point is a checkpoint as it is written down.
type point struct {
	Log       string    `json:"log"`
	Seq       int64     `json:"seq"`
	Hash      string    `json:"hash"`
	At        time.Time `json:"at"`
	Key       string    `json:"key"`
	Signature []byte    `json:"signature"`
}

// Line writes a checkpoint on one line, without its end.
func Line(c core.Checkpoint) []byte {
	b, err := json.Marshal(point(c))
	if err != nil {
		return nil // a year beyond 9999
	}
	return b
}

// Read reads a checkpoint from a line.
func Read(text []byte) (core.Checkpoint, error) {
	var p point
	if err := exact(text, "log", "seq", "hash", "at", "key", "signature"); err != nil {
		return core.Checkpoint{}, err
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return core.Checkpoint{}, err
	}
	if p.Seq < 1 {
		return core.Checkpoint{}, core.Errorf(core.Invalid, "it is no checkpoint")
	}
	return core.Checkpoint(p), nil
}

// ReadAll reads a file of checkpoints. A last line without its end was being written when the
// server died, and is left out.
func ReadAll(data []byte) (out []core.Checkpoint, err error) {
	n := 0
	for text := range bytes.Lines(data) {
		n++
		whole := bytes.HasSuffix(text, []byte("\n"))
		if text = bytes.TrimSpace(text); len(text) == 0 {
			continue
		}
		c, err := Read(text)
		if err != nil && !whole {
			break
		}
		if err != nil {
			return nil, core.Errorf(core.Invalid, "line %d of the checkpoints: %w", n, err).WithHint("it was changed, or is no file that audit.checkpoint_to wrote")
		}
		out = append(out, c)
	}
	return out, nil
}
