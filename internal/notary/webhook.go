package notary

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// The most that one delivery carries.
const (
	batchEntries = 500
	batchBytes   = 1 << 20 // an entry that is longer goes alone
)

// postCheckpoint sends the last checkpoint. Those before it are in it.
func postCheckpoint(ctx context.Context, n *Notary, p place, m engine.Mark) (engine.Mark, error) {
	made, err := n.lastCheckpoint(ctx)
	if err != nil || made.Seq <= m.Seq {
		return m, err
	}
	if err := n.post(ctx, p.to, []byte(made.Body+"\n")); err != nil {
		return m, err
	}
	m.Seq, m.At = made.Seq, n.Engine.Clock.Now()
	return m, nil
}

// postEntries sends the next entries as JSON lines.
func postEntries(ctx context.Context, n *Notary, p place, m engine.Mark) (engine.Mark, error) {
	entries, err := n.following(ctx, m.Seq)
	if err != nil || len(entries) == 0 {
		return m, err
	}
	var body bytes.Buffer
	last := m.Seq
	for _, e := range entries {
		line := exported(e)
		if body.Len() > 0 && body.Len()+len(line) > batchBytes {
			break
		}
		body.Write(line)
		last = e.Seq
	}
	if err := n.post(ctx, p.to, body.Bytes()); err != nil {
		return m, err
	}
	m.Seq, m.At = last, n.Engine.Clock.Now()
	return m, nil
}

func (n *Notary) following(ctx context.Context, after int64) (out []core.AuditEntry, err error) {
	err = n.Engine.Store.Read(ctx, func(v engine.View) (err error) {
		out, err = v.Audit(after, batchEntries)
		return err
	})
	return out, err
}

// exported is an entry as audit export writes it, with the end of its line.
func exported(e core.AuditEntry) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(struct {
		Seq     int64     `json:"seq"`
		At      time.Time `json:"at,omitzero"`
		Actor   string    `json:"actor"`
		Via     string    `json:"via"`
		Action  string    `json:"action"`
		Subject string    `json:"subject"`
		Detail  string    `json:"detail"`
		Prev    string    `json:"prev"`
		Hash    string    `json:"hash"`
	}(e)) // texts and numbers can always be written
	return b.Bytes()
}

// SignatureHeader carries the signature of a delivery: "t=SECONDS,key=ID,ed25519=BASE64",
// over the seconds, a full stop and the body.
const SignatureHeader = "Sallyport-Signature"

// post makes one delivery. Any answer of 2xx is its receipt.
func (n *Notary) post(ctx context.Context, to string, body []byte) error {
	key, err := n.signer(ctx)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return err
	}
	seconds := strconv.FormatInt(n.Engine.Clock.Now().Unix(), 10)
	signature := ed25519.Sign(key, append([]byte(seconds+"."), body...))
	public, _ := key.Public().(ed25519.PublicKey) // it always is
	r.Header.Set(SignatureHeader, fmt.Sprintf("t=%s,key=%s,ed25519=%s", seconds, core.AuditKeyID(public), base64.StdEncoding.EncodeToString(signature)))
	r.Header.Set("Content-Type", "application/jsonl")
	answer, err := n.HTTP.Do(r)
	var full *url.Error
	if errors.As(err, &full) {
		return core.Errorf(core.Unavailable, "%s: %w", r.URL.Host, full.Err) // without the path, which may be secret
	}
	if err != nil {
		return err
	}
	_, _ = io.CopyN(io.Discard, answer.Body, 64<<10) // so that the connection can be used again
	_ = answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		return core.Errorf(core.Unavailable, "%s answered %d", r.URL.Host, answer.StatusCode).WithHint("it must answer 2xx to what it has taken")
	}
	return nil
}
