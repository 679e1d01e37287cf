package app

import (
	"context"
	"os"
	"strings"

	"github.com/sallyport/sallyport/internal/core"
)

// resolveSecret returns the value behind a reference. It is called where the value is used,
// and the value is kept no longer than that use.
func resolveSecret(_ context.Context, ref core.SecretRef) (string, error) {
	kind, name, _ := strings.Cut(string(ref), ":")
	switch kind {
	case "env":
		v, ok := os.LookupEnv(name)
		if !ok {
			return "", core.Errorf(core.Unavailable, "the environment variable %s, which holds a credential, is not set", name).
				WithHint("start the server with %s set", name)
		}
		return clean(v, ref)
	case "file":
		b, err := os.ReadFile(name)
		if err != nil {
			return "", core.Errorf(core.Unavailable, "the credential in file %s cannot be read: %w", name, err)
		}
		return clean(string(b), ref)
	default:
		return "", core.Errorf(core.Unavailable, "the credential %q cannot be resolved: references are env:NAME and file:PATH", kind)
	}
}

// clean trims the line end that editors and shells leave, and refuses what no credential holds.
func clean(v string, ref core.SecretRef) (string, error) {
	v = strings.TrimSpace(v)
	if v == "" {
		return "", core.Errorf(core.Unavailable, "the credential %s is empty", ref)
	}
	if len(v) > 64<<10 || strings.ContainsAny(v, "\x00\r\n") {
		return "", core.Errorf(core.Unavailable, "the credential %s holds line breaks or is over 64 KiB long, so it is not used", ref)
	}
	return v, nil
}
