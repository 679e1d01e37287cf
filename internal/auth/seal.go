package auth

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/sallyport/sallyport/internal/core"
)

// A Sealer encrypts the server's own keys, so that whoever reads the database has none of
// them. What is sealed is bound to its name: it cannot be passed off under another.
type Sealer struct{ aead tink.AEAD }

// OpenSealer reads the sealing key from a file: a Tink keyset in JSON. Where there is no file,
// it makes one, for its owner only. A file that others may read is refused.
func OpenSealer(path string) (*Sealer, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := newSealKey(path); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, fmt.Errorf("look for the sealing key: %w", err)
	case info.Mode().Perm()&0o077 != 0:
		return nil, core.Errorf(core.Invalid, "others may read the sealing key %s: its mode is %04o", path, info.Mode().Perm()).
			WithHint("chmod 600 %s", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the sealing key: %w", err)
	}
	return NewSealer(text)
}

// NewSealer returns a sealer of a Tink keyset in JSON.
func NewSealer(text []byte) (*Sealer, error) {
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(text)))
	if err != nil {
		return nil, core.Errorf(core.Invalid, "the sealing key is not a Tink keyset in JSON").WithHint("restore seal.key from the backup")
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, core.Errorf(core.Invalid, "the sealing key is not one for authenticated encryption").WithHint("restore seal.key from the backup")
	}
	return &Sealer{aead: primitive}, nil
}

// newSealKey writes a new key whole or not at all; of two servers that start at once one wins.
func newSealKey(path string) error {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return fmt.Errorf("make a sealing key: %w", err)
	}
	var text bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&text)); err != nil {
		return fmt.Errorf("write a sealing key: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the folder of the sealing key: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".seal-*") // for its owner only
	if err != nil {
		return fmt.Errorf("write a sealing key: %w", err)
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it has its name by then
	_, err = f.Write(text.Bytes())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write a sealing key: %w", err)
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("write a sealing key: %w", err)
	}
	return nil
}

// Seal encrypts a value under its name.
func (s *Sealer) Seal(name string, plain []byte) (string, error) {
	sealed, err := s.aead.Encrypt(plain, []byte(name))
	if err != nil {
		return "", fmt.Errorf("seal %s: %w", name, err)
	}
	return base64.StdEncoding.EncodeToString(sealed), nil
}

// Open returns what was sealed under a name.
func (s *Sealer) Open(name, sealed string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(sealed)
	if err == nil {
		b, err = s.aead.Decrypt(b, []byte(name))
	}
	if err != nil {
		return nil, core.Errorf(core.Unavailable, "%s was sealed with another key, or was changed", name).
			WithHint("every server on one database needs the same sealing key: copy seal.key from the data folder of the first one, or set auth.seal_key on all")
	}
	return b, nil
}
