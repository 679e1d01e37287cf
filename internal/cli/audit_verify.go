package cli

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/proof"
)

func (s *shell) auditVerify() *cobra.Command {
	var keys []string
	var checkpoints string
	var partial bool
	c := s.reading(&cobra.Command{
		Use:   "verify [FILE]",
		Short: "Prove that no audit entry was changed, dropped or put in",
		Long: `Walk the chain of hashes: the server's, or that of a file which audit export wrote. A file needs no server. With
checkpoints that were kept elsewhere and the public key, a cut tail, a log computed anew and a restored old
database are found as well. What was not proven is said on standard error.`,
		Example: `  sallyport audit verify
  sallyport audit verify audit.jsonl --checkpoints /mnt/audit/checkpoints.jsonl --key audit.pub`,
		Annotations: map[string]string{exits: "For the chain: 0 whole, 1 broken."},
		Args:        takes("[FILE]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return s.verifyFile(args[0], checkpoints, keys, partial)
			}
			if checkpoints != "" || len(keys) > 0 {
				return misuse("--checkpoints and --key are held against a file").WithHint("sallyport audit export > audit.jsonl; sallyport audit verify audit.jsonl --checkpoints FILE --key FILE")
			}
			return s.calling(func(ctx context.Context, c *client.Client, _ []string) error {
				proof, err := c.VerifyAudit(ctx)
				if err != nil {
					return err
				}
				return s.showProof(proof)
			})(cmd, args)
		},
	})
	c.Flags().StringVar(&checkpoints, "checkpoints", "", "the file that audit.checkpoint_to wrote")
	c.Flags().BoolVar(&partial, "partial", false, "the file may begin in the middle of the log; what came before is not proven")
	c.Flags().StringArrayVar(&keys, "key", nil, "a public key as audit key prints it, or a file of them; several times for several")
	return c
}

// verifyFile holds an export against what was kept elsewhere.
func (s *shell) verifyFile(name, checkpoints string, keys []string, partial bool) error {
	o := proof.Options{Partial: partial}
	for _, k := range keys {
		found, err := s.readKeys(k)
		if err != nil {
			return err
		}
		o.Keys = append(o.Keys, found...)
	}
	if checkpoints != "" {
		data, err := s.readFile(checkpoints)
		if err != nil {
			return err
		}
		if o.Checkpoints, err = proof.ReadAll(data); err != nil {
			return err
		}
		if len(o.Checkpoints) == 0 {
			return misuse("%s has no checkpoint in it", fileName(checkpoints))
		}
	}
	from, err := s.openFile(name)
	if err != nil {
		return err
	}
	defer from.Close() //nolint:errcheck // it is only read
	p, err := proof.Verify(from, o)
	if core.KindOf(err) == core.Invalid {
		return misuse("%s: %w", fileName(name), err)
	}
	if err != nil {
		return err
	}
	return s.showProven(p)
}

// showProven says what a walk over a file has shown, and what it has not.
func (s *shell) showProven(p proof.Proof) error {
	out := client.AuditProof{OK: p.Bad == "", Head: p.Head, Error: p.Bad}
	if p.First > 0 {
		out.Entries = p.Last - p.First + 1
	}
	for _, note := range p.Notes {
		s.notef("note: %s\n", note)
	}
	if err := s.showProof(out); err != nil || p.Checked == 0 {
		return err
	}
	if s.output == "table" {
		s.sayf("ok: %s; entries %d to %d are as they were signed, the last at %s\n", holding(p.Checked), p.First, p.Covered, p.CoveredAt.Format(time.RFC3339))
	}
	return nil
}

func holding(checkpoints int) string {
	if checkpoints == 1 {
		return "1 checkpoint holds"
	}
	return fmt.Sprintf("%d checkpoints hold", checkpoints)
}

// readKeys reads public keys: one itself, or a file with one on each line and a comment behind it.
func (s *shell) readKeys(value string) ([]ed25519.PublicKey, error) {
	if key, ok := publicKey(value); ok {
		return []ed25519.PublicKey{key}, nil
	}
	data, err := s.readFile(value)
	if err != nil {
		return nil, err
	}
	var out []ed25519.PublicKey
	for line := range bytes.Lines(data) {
		text, _, _ := strings.Cut(string(line), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		key, ok := publicKey(text)
		if !ok {
			return nil, misuse("%s has a line that is no public key", fileName(value)).WithHint("sallyport audit key prints them")
		}
		out = append(out, key)
	}
	if len(out) == 0 {
		return nil, misuse("%s has no public key in it", fileName(value)).WithHint("sallyport audit key prints them")
	}
	return out, nil
}

func publicKey(text string) (ed25519.PublicKey, bool) {
	key, err := base64.StdEncoding.DecodeString(text)
	return key, err == nil && len(key) == ed25519.PublicKeySize
}

// openFile opens a file to be read; - is the standard input.
func (s *shell) openFile(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(s.in), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fileProblem(err)
	}
	return f, nil
}

func (s *shell) showProof(proof client.AuditProof) error {
	err := s.show(proof, func() error {
		if proof.OK {
			s.sayf("ok: %d entries, head %s\n", proof.Entries, proof.Head)
		}
		return nil
	})
	if err == nil && !proof.OK {
		err = core.Errorf(core.Internal, "the audit log is broken: %s", proof.Error).
			WithHint("compare with an export from before: sallyport audit verify FILE")
	}
	return err
}
