package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A form is the type of a setting in the file.
type form string

const (
	text     form = "text"
	texts    form = "text or a list of texts"
	duration form = "a duration"
	yesNo    form = "true or false"
	section  form = "a section"
)

// A setting is one key of the configuration.
type setting struct {
	name  string // "oncall.max_staleness"
	form  form
	value string // the default, as text; texts are separated by commas
	about string // for the sample
	set   func(*Config, []string) error
	get   func(Config) string // for printing; nil with set
}

// words splits a default.
func (s setting) words() []string {
	if s.form == texts {
		return splitList(s.value)
	}
	return []string{s.value}
}

func splitList(v string) []string {
	var out []string
	for _, w := range strings.Split(v, ",") {
		if w = strings.TrimSpace(w); w != "" {
			out = append(out, w)
		}
	}
	return out
}

// settings is every key, in the order of the sample. A setting without set is known and
// not honoured by this version: it is refused when it is given.
func settings() []setting {
	return []setting{
		str("listen", "127.0.0.1:7373", "Where the API and the console listen, by TLS. On loopback plain HTTP is answered as\nwell, so that browsers on this host need no certificate.",
			func(c *Config) *string { return &c.Listen }, checkListen),
		str("public_url", "", "Where people reach the server, for links and sign-in. Default: http://localhost\nand the port of listen on loopback, else https:// and listen.",
			func(c *Config) *string { return &c.PublicURL }, checkURL),
		str("data", "", "The folder of the database, the socket and keys.\nDefault: $XDG_STATE_HOME/sallyport, or ~/.local/state/sallyport.",
			func(c *Config) *string { return &c.Data }, notEmpty),
		str("database", "", "Empty: SQLite in data. Several servers share a PostgreSQL:\npostgres://sallyport@db.example.com/sallyport?sslmode=verify-full",
			func(c *Config) *string { return (*string)(&c.Database) }, checkDatabase).secret(),
		str("tls.cert", "", "The certificate that the server shows, and its key: files in PEM, taken over when they\nchange. Default: by the server's own certificate authority.",
			func(c *Config) *string { return &c.TLS.Cert }, notEmpty),
		str("tls.key", "", "The key of tls.cert.",
			func(c *Config) *string { return &c.TLS.Key }, notEmpty),
		refused("tls.client_ca", text),

		dur("oncall.max_staleness", "60s", "An automatic approval rests on on-call data no older than this (at most 120s).",
			func(c *Config) *time.Duration { return &c.OnCall.MaxStaleness }, time.Second, 120*time.Second),
		dur("oncall.sync_every", "30s", "How often PagerDuty is asked for everyone's duties.",
			func(c *Config) *time.Duration { return &c.OnCall.SyncEvery }, time.Second, time.Hour),

		dur("oncall.min_override_age", "0s", "How old a duty must be that appeared in PagerDuty without having been planned (an\noverride, an edited schedule) before it is approved. Until then people decide.\n0s: it counts at once, and is only marked.",
			func(c *Config) *time.Duration { return &c.OnCall.MinOverrideAge }, 0, 4*time.Hour),

		list("annotations.notify_service", "pagerduty_notify_service", "Role annotations that name PagerDuty services to open an incident on.",
			func(c *Config) *[]string { return &c.Annotations.NotifyService }),
		list("annotations.services", "pagerduty_services", "Role annotations that name PagerDuty services whose on-call is approved.",
			func(c *Config) *[]string { return &c.Annotations.Services }),
		str("annotations.reviewer", "access-plugin", "The user in whose name on-call requests are approved; its role must allow it.",
			func(c *Config) *string { return &c.Annotations.Reviewer }, notEmpty),

		dur("defaults.duration", "4h", "How long access lasts where nobody says.",
			func(c *Config) *time.Duration { return &c.Defaults.Duration }, time.Minute, 14*day),
		dur("defaults.pending", "7d", "When a request that nobody decided expires.",
			func(c *Config) *time.Duration { return &c.Defaults.Pending }, time.Minute, 30*day),
		dur("defaults.grace", "15m", "How long access that is bound to a shift outlasts it.",
			func(c *Config) *time.Duration { return &c.Defaults.Grace }, 0, day),

		refused("auth.oidc", section), refused("auth.passkeys", yesNo),
		dur("auth.session_ttl", "12h", "How long people stay signed in with a browser; max_session_ttl of their roles shortens it.",
			func(c *Config) *time.Duration { return &c.Auth.SessionTTL }, time.Minute, 30*day),
		boolean("auth.local_admin", "true", "Whether the socket in data, on the server's own host, acts as the administrator.",
			func(c *Config) *bool { return &c.LocalAdmin }),
		str("auth.seal_key", "", "What seals the server's own keys in the database: file:PATH or env:NAME of a Tink\nkeyset in JSON. Several servers on one database need the same.\nDefault: seal.key in data, which is made at the first start. Keep a copy of it.",
			func(c *Config) *string { return (*string)(&c.Auth.SealKey) }, checkReference),
		dur("audit.checkpoint_every", "60s", "How often the state of the audit log is signed, where there is something new.\nAfter 1000 entries it is signed in any case.",
			func(c *Config) *time.Duration { return &c.Audit.CheckpointEvery }, time.Second, time.Hour),
		list("audit.checkpoint_to", "", "Where the signed checkpoints go, best to places that this server's administrators\ncannot change: file:/mnt/worm/checkpoints.jsonl, https://witness.example.com/sallyport.",
			func(c *Config) *[]string { return &c.Audit.CheckpointTo }).each(checkCheckpointTo),
		list("audit.export", "", "Where every audit entry goes as well: https://siem.example.com/in (signed JSON lines),\nsyslog+tls://logs.example.com, syslog+tcp://…, syslog://… (UDP).",
			func(c *Config) *[]string { return &c.Audit.Export }).each(checkExport),

		word("log.level", "info", "debug, info, warn or error.",
			func(c *Config) *string { return &c.Log.Level }, "debug", "info", "warn", "error"),
		word("log.format", "text", "text or json.",
			func(c *Config) *string { return &c.Log.Format }, "text", "json"),
		str("metrics.listen", "", "An address of its own for /metrics. Default: on the socket only.",
			func(c *Config) *string { return &c.MetricsAt }, checkListen),

		str("operations.account", "", "The PagerDuty account of the next setting. Default: the default account.",
			func(c *Config) *string { return &c.Operations.Account }, notEmpty),
		str("operations.service", "", "The PagerDuty service that is paged when access cannot be removed.",
			func(c *Config) *string { return &c.Operations.Service }, notEmpty),

		list("egress.allow", "", "Addresses that calls to other systems may reach although they are not public,\nand hosts that may be given credentials: 10.20.0.0/16, vault.example.com:8200.",
			func(c *Config) *[]string { return &c.Egress.Allow }),
	}
}

const day = 24 * time.Hour

func str(name, value, about string, at func(*Config) *string, check func(string) error) setting {
	return setting{
		name: name, form: text, value: value, about: about,
		set: func(c *Config, v []string) error { *at(c) = v[0]; return check(v[0]) },
		get: func(c Config) string { return *at(&c) },
	}
}

func word(name, value, about string, at func(*Config) *string, words ...string) setting {
	return str(name, value, about, at, func(v string) error {
		if !slices.Contains(words, v) {
			return fmt.Errorf("must be one of %s", strings.Join(words, ", "))
		}
		return nil
	})
}

func list(name, value, about string, at func(*Config) *[]string) setting {
	return setting{
		name: name, form: texts, value: value, about: about,
		set: func(c *Config, v []string) error {
			if len(v) == 0 || slices.Contains(v, "") {
				return errors.New("must name something")
			}
			*at(c) = v
			return nil
		},
		get: func(c Config) string { return strings.Join(*at(&c), ", ") },
	}
}

// each checks every text of a list.
func (s setting) each(check func(string) error) setting {
	set := s.set
	s.set = func(c *Config, v []string) error {
		for i, w := range v {
			if err := check(w); err != nil {
				return err
			}
			if slices.Contains(v[:i], w) {
				return errors.New("names the same place twice")
			}
		}
		return set(c, v)
	}
	return s
}

func boolean(name, value, about string, at func(*Config) *bool) setting {
	return setting{
		name: name, form: yesNo, value: value, about: about,
		set: func(c *Config, v []string) error {
			b, err := strconv.ParseBool(v[0])
			if err != nil {
				return errors.New("must be true or false")
			}
			*at(c) = b
			return nil
		},
		get: func(c Config) string { return strconv.FormatBool(*at(&c)) },
	}
}

func dur(name, value, about string, at func(*Config) *time.Duration, least, most time.Duration) setting {
	return setting{
		name: name, form: duration, value: value, about: about,
		set: func(c *Config, v []string) error {
			d, err := parseDuration(v[0])
			if err != nil {
				return errors.New(`must be a duration such as "30s", "15m" or "7d"`)
			}
			if d < least || d > most {
				return fmt.Errorf("must be between %s and %s", least, most)
			}
			*at(c) = d
			return nil
		},
		get: func(c Config) string { return at(&c).String() },
	}
}

func refused(name string, f form) setting { return setting{name: name, form: f} }

// secret prints a setting without its password.
func (s setting) secret() setting {
	get := s.get
	s.get = func(c Config) string { return Database(get(c)).String() }
	return s
}

// parseDuration reads Go's durations, and whole days.
func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 3650 {
			return 0, errors.New("not a number of days")
		}
		return time.Duration(n) * day, nil
	}
	return time.ParseDuration(s)
}

func notEmpty(v string) error {
	if strings.TrimSpace(v) == "" {
		return errors.New("is empty")
	}
	return nil
}

// checkReference takes a reference to a credential, and never repeats what is none: it may be the credential.
func checkReference(v string) error {
	kind, name, _ := strings.Cut(v, ":")
	if v != "" && (name == "" || (kind != "file" && kind != "env")) {
		return errors.New("must be file:PATH or env:NAME; the value itself does not belong here")
	}
	return nil
}

func checkCheckpointTo(v string) error {
	if path, ok := strings.CutPrefix(v, "file:"); ok {
		return notEmpty(path)
	}
	return checkPlace(v, "file:PATH or https://HOST/PATH", "https")
}

func checkExport(v string) error {
	return checkPlace(v, "https://HOST/PATH, syslog://HOST, syslog+tcp://HOST or syslog+tls://HOST", "https", "syslog", "syslog+tcp", "syslog+tls")
}

// checkPlace never repeats the URL: it may hold a password.
func checkPlace(v, form string, schemes ...string) error {
	u, err := url.Parse(v)
	if err != nil || !slices.Contains(schemes, u.Scheme) || u.Hostname() == "" {
		return errors.New("must be " + form)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("must be a URL without user, query and fragment")
	}
	return nil
}

func checkListen(v string) error {
	_, port, err := net.SplitHostPort(v)
	n, numErr := strconv.Atoi(port)
	if err != nil || numErr != nil || n < 0 || n > 65535 {
		return errors.New("must be an address such as 127.0.0.1:7373")
	}
	return nil
}

func checkURL(v string) error {
	u, err := url.Parse(v)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return errors.New("must be an http or https URL")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("must be a URL without user, query and fragment")
	}
	return nil
}

// checkDatabase never repeats the URL: it may hold a password.
func checkDatabase(v string) error {
	if v == "" {
		return nil
	}
	u, err := url.Parse(v)
	if err != nil || u.Host == "" || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return errors.New("must be empty or a postgres:// URL")
	}
	return nil
}
