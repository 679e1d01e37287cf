// Package config reads sallyport.yaml and the environment into settings.
//
// Every setting stands once, in the table of settings.go: its name, its default, what it
// means, and how its text is read. Reading is strict: an unknown name stops the start,
// and so does a setting that this version would not honour, so that nobody relies on it.
package config

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// Config is the server's settings.
type Config struct {
	Listen      string // HOST:PORT of the API and the console
	PublicURL   string // where people reach it; empty: derived from Listen, see URL
	Data        string // folder for the database, the socket and keys
	Database    Database
	OnCall      OnCall
	Annotations Annotations
	Defaults    Defaults
	TLS         TLS
	LocalAdmin  bool // the Unix socket in Data acts as the administrator
	Auth        Auth
	Audit       Audit
	Log         Log
	MetricsAt   string // HOST:PORT of /metrics; empty: on the socket only
	Operations  Operations
	Egress      Egress
}

// Egress says where calls to other systems may go besides public addresses.
type Egress struct {
	Allow []string // ranges of addresses, and hosts with their port
}

// OnCall says how fresh on-call data is.
type OnCall struct {
	MaxStaleness   time.Duration // the age up to which it may approve
	SyncEvery      time.Duration
	MinOverrideAge time.Duration // from which a duty that was not planned approves
}

// Annotations are the names that the on-call reviewer goes by.
type Annotations struct {
	NotifyService []string // role annotations that name services to notify
	Services      []string // role annotations that name services whose on-call is approved
	Reviewer      string   // the user in whose name it reviews
}

// Defaults fill in what a request or a rule does not say.
type Defaults struct {
	Duration time.Duration // of access
	Pending  time.Duration // until a request nobody decided expires
	Grace    time.Duration // after a shift before access that is bound to it ends
}

// TLS is the certificate that the server shows.
type TLS struct {
	Cert, Key string // files in PEM; empty: by the server's own authority
}

// Auth is how callers prove who they are.
type Auth struct {
	SessionTTL time.Duration  // how long somebody stays signed in with a browser
	SealKey    core.SecretRef // the key that seals the server's own keys; empty: seal.key in Data
}

// Audit is where the audit log is taken besides the database.
type Audit struct {
	CheckpointEvery time.Duration
	CheckpointTo    []string // "file:PATH", "https://…"
	Export          []string // "https://…", "syslog://…", "syslog+tcp://…", "syslog+tls://…"
}

// Log is what the log shows and how.
type Log struct {
	Level  string // "debug", "info", "warn" or "error"
	Format string // "text" or "json"
}

// Operations is who is paged when access cannot be taken away.
type Operations struct {
	Account string // empty: the default account
	Service string // empty: nobody is paged
}

// A Database is a postgres URL; empty means SQLite in the data folder. It prints without its password.
type Database string

// String returns the URL without what is secret in it.
func (d Database) String() string {
	if d == "" {
		return ""
	}
	u, err := url.Parse(string(d))
	if err != nil {
		return "[secret]"
	}
	q := u.Query()
	for key := range q {
		if strings.Contains(strings.ToLower(key), "password") {
			q.Set(key, "xxxxx")
		}
	}
	u.RawQuery = q.Encode()
	return u.Redacted()
}

// GoString is String, for %#v.
func (d Database) GoString() string { return fmt.Sprintf("%q", d.String()) }

// Default returns the settings of a server that was told nothing.
func Default() Config { return defaults(lookup(os.Environ())) }

func defaults(env func(string) string) Config {
	c := Config{}
	for _, s := range settings() {
		if s.set != nil && s.value != "" {
			if err := s.set(&c, s.words()); err != nil {
				panic(s.name + ": " + err.Error()) // the table contradicts itself
			}
		}
	}
	state := env("XDG_STATE_HOME")
	if !filepath.IsAbs(state) { // the specification: a relative one is to be ignored
		state = filepath.Join(env("HOME"), ".local", "state")
	}
	c.Data = filepath.Join(state, "sallyport")
	return c
}

// lookup reads an environment as os.Environ gives it; the last of equal names counts.
func lookup(environ []string) func(string) string {
	return func(name string) string {
		for i := len(environ) - 1; i >= 0; i-- {
			if v, ok := strings.CutPrefix(environ[i], name+"="); ok {
				return v
			}
		}
		return ""
	}
}

// URL returns where people reach the server.
func (c Config) URL() string {
	if c.PublicURL != "" {
		return strings.TrimSuffix(c.PublicURL, "/")
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err == nil && Loopback(c.Listen) && host != "" {
		return "http://localhost:" + port
	}
	return "https://" + c.Listen
}

// Check says what is wrong with settings as a whole. Load calls it; call it again after changing one.
func (c Config) Check() error {
	for _, s := range []struct{ name, at string }{{"listen", c.Listen}, {"metrics.listen", c.MetricsAt}} {
		if s.at == "" && s.name != "listen" {
			continue
		}
		if err := checkListen(s.at); err != nil {
			return core.Errorf(core.Invalid, "%s %w", s.name, err)
		}
	}
	if c.Data == "" {
		return core.Errorf(core.Invalid, "data is empty").WithHint("name a folder that only the server may read")
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		return core.Errorf(core.Invalid, "one of tls.cert and tls.key is set and the other is not").WithHint("set both, or neither for a certificate by the server's own authority")
	}
	if c.Operations.Account != "" && c.Operations.Service == "" {
		return core.Errorf(core.Invalid, "operations.account is set and operations.service is not").
			WithHint("name the PagerDuty service that is paged when access cannot be removed")
	}
	return nil
}

// Notes returns what an operator should know about valid settings.
func (c Config) Notes() []string {
	var notes []string
	if !Loopback(c.Listen) && c.PublicURL == "" {
		notes = append(notes, fmt.Sprintf("listen %s can be reached from other machines, and public_url is not set: links lead to that address", c.Listen))
	}
	if c.Operations.Service == "" {
		notes = append(notes, "operations.service is not set: nobody is paged when access cannot be removed")
	}
	for _, to := range c.Audit.CheckpointTo {
		if path, isFile := strings.CutPrefix(to, "file:"); isFile && within(path, c.Data) {
			notes = append(notes, fmt.Sprintf("audit.checkpoint_to: %s is in the data folder: whoever restores or changes that folder changes the checkpoints with it", path))
		}
	}
	return notes
}

// within reports whether a path leads into a folder.
func within(path, folder string) bool {
	a, errA := filepath.Abs(path)
	b, errB := filepath.Abs(folder)
	if errA != nil || errB != nil {
		return false
	}
	if real, err := filepath.EvalSymlinks(filepath.Dir(a)); err == nil {
		a = filepath.Join(real, filepath.Base(a))
	}
	if real, err := filepath.EvalSymlinks(b); err == nil {
		b = real
	}
	rel, err := filepath.Rel(b, a)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// Loopback reports whether an address is reachable from its own machine only.
func Loopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// String prints the settings, one a line, without what is secret.
func (c Config) String() string {
	var b strings.Builder
	for _, s := range settings() {
		if s.get != nil {
			fmt.Fprintf(&b, "%s: %s\n", s.name, s.get(c))
		}
	}
	return b.String()
}

// GoString is String, for %#v.
func (c Config) GoString() string { return c.String() }
