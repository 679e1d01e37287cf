package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
)

func (s *shell) auditVerify() *cobra.Command {
	return s.reading(&cobra.Command{
		Use:   "verify [FILE]",
		Short: "Prove that no audit entry was changed, dropped or put in",
		Long:  "Walk the chain of hashes: the server's, or that of a file which audit export wrote. A file needs no server.",
		Example: `  sallyport audit verify
  sallyport audit verify audit.jsonl`,
		Annotations: map[string]string{exits: "For the chain: 0 whole, 1 broken."},
		Args:        takes("[FILE]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				data, err := s.readFile(args[0])
				if err != nil {
					return err
				}
				proof, first, err := proofOf(data, fileName(args[0]))
				if err != nil {
					return err
				}
				if first > 1 {
					s.notef("warning: the file begins with entry %d; what came before it is not proven\n", first)
				}
				return s.showProof(proof)
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

// proofOf walks an export. One that begins in the middle is trusted to continue what was before.
func proofOf(data []byte, name string) (proof client.AuditProof, first int64, err error) {
	var chain core.Chain
	lines := bufio.NewReader(bytes.NewReader(data))
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if text := bytes.TrimSpace(line); len(text) > 0 {
			var e client.AuditEntry
			if err := json.Unmarshal(text, &e); err != nil {
				return proof, first, misuse("line %d of %s: %w", n, name, err).WithHint("audit export without --csv writes what can be verified")
			}
			if proof.Entries == 0 {
				first = e.Seq
			}
			if proof.Entries == 0 && e.Seq > 1 {
				chain = core.Chain{Seq: e.Seq - 1, Hash: e.Prev}
			}
			if err := chain.Verify(entry(e)); err != nil {
				proof.Head, proof.Error = chain.Hash, err.Error()
				return proof, first, nil
			}
			proof.Entries++
		}
		switch {
		case !errors.Is(err, io.EOF):
		case proof.Entries == 0:
			return proof, first, misuse("%s has no audit entry in it, so there is nothing to verify", name)
		default:
			proof.OK, proof.Head = true, chain.Hash
			return proof, first, nil
		}
	}
}

// entry is an audit entry from the wire as it was hashed.
func entry(e client.AuditEntry) core.AuditEntry {
	return core.AuditEntry{
		Seq: e.Seq, At: e.At, Actor: e.Actor, Via: e.Via, Action: e.Action, Subject: e.Subject, Detail: e.Detail, Prev: e.Prev, Hash: e.Hash,
	}
}
