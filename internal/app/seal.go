package app

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/sallyport/sallyport/internal/auth"
	"github.com/sallyport/sallyport/internal/config"
	"github.com/sallyport/sallyport/internal/core"
)

// openSealer opens what seals the server's own keys. Only the file in the data folder is made
// where it is missing: one that was named and is not there is a mistake.
func openSealer(c config.Config) (*auth.Sealer, error) {
	kind, name, _ := strings.Cut(string(c.Auth.SealKey), ":")
	switch kind {
	case "":
		return auth.OpenSealer(filepath.Join(c.Data, "seal.key"))
	case "file":
		if _, err := os.Stat(name); err != nil {
			return nil, core.Errorf(core.Invalid, "the sealing key of auth.seal_key cannot be read: %w", err)
		}
		return auth.OpenSealer(name)
	default:
		text, ok := os.LookupEnv(name)
		if !ok {
			return nil, core.Errorf(core.Invalid, "the environment variable %s of auth.seal_key is not set", name)
		}
		return auth.NewSealer([]byte(text))
	}
}
