package config

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/core"
)

var home = []string{"HOME=/home/ann", "PATH=/bin"}

func TestWithoutAFileEverythingHasItsDefault(t *testing.T) {
	got, err := Load("", home)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Listen:      "127.0.0.1:7373",
		Data:        "/home/ann/.local/state/sallyport",
		OnCall:      OnCall{MaxStaleness: time.Minute, SyncEvery: 30 * time.Second},
		Annotations: Annotations{NotifyService: []string{"pagerduty_notify_service"}, Services: []string{"pagerduty_services"}, Reviewer: "access-plugin"},
		Defaults:    Defaults{Duration: 4 * time.Hour, Pending: 168 * time.Hour, Grace: 15 * time.Minute},
		LocalAdmin:  true,
		Auth:        Auth{SessionTTL: 12 * time.Hour},
		Audit:       Audit{CheckpointEvery: time.Minute},
		Log:         Log{Level: "info", Format: "text"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got.URL() != "http://localhost:7373" {
		t.Error(got.URL())
	}
}

func TestTheStateFolderFollowsTheDesktopStandard(t *testing.T) {
	for state, want := range map[string]string{"/var/state": "/var/state/sallyport", "relative": "/home/ann/.local/state/sallyport", "": "/home/ann/.local/state/sallyport"} {
		got, err := Load("", append(home, "XDG_STATE_HOME="+state))
		if err != nil || got.Data != want {
			t.Errorf("%q: %s, %v", state, got.Data, err)
		}
	}
}

func TestTheSampleIsTheDefaults(t *testing.T) {
	got, err := Load(write(t, string(Sample())), home)
	if err != nil {
		t.Fatalf("%v\n%s", err, Sample())
	}
	if diff := cmp.Diff(defaults(lookup(home)), got); diff != "" {
		t.Error(diff)
	}
}

func TestTheSampleNamesEverySettingThatIsHonoured(t *testing.T) {
	sample := strings.ReplaceAll(string(Sample()), "# ", "")
	for _, s := range settings() {
		last := s.name[strings.LastIndexByte(s.name, '.')+1:]
		if has := strings.Contains(sample, "\n"+last+": ") || strings.Contains(sample, " "+last+": "); has != (s.set != nil) {
			t.Errorf("%s: in the sample %v", s.name, has)
		}
	}
}

const full = `
listen: 0.0.0.0:80
public_url: https://sallyport.example.com/
data: /srv/sallyport
database: postgres://sallyport:pw@db/sallyport
oncall: {max_staleness: 90s, sync_every: 1m}
annotations:
  notify_service: notify
  services: [services, more]
  reviewer: bot
defaults: {duration: 1h, pending: 2d, grace: 0s}
auth: {local_admin: false, session_ttl: 8h}
audit: {checkpoint_every: 30s, checkpoint_to: ["file:/mnt/a", "https://w.example.com/x"], export: syslog+tls://logs}
log: {level: debug, format: json}
metrics: {listen: "127.0.0.1:9090"}
operations: {account: main, service: Operations}
egress: {allow: [10.0.0.0/8, "vault:8200"]}
`

func TestAFileSetsEverything(t *testing.T) {
	got, err := Load(write(t, full), home)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Listen: "0.0.0.0:80", PublicURL: "https://sallyport.example.com/", Data: "/srv/sallyport",
		Database:    "postgres://sallyport:pw@db/sallyport",
		OnCall:      OnCall{MaxStaleness: 90 * time.Second, SyncEvery: time.Minute},
		Annotations: Annotations{NotifyService: []string{"notify"}, Services: []string{"services", "more"}, Reviewer: "bot"},
		Defaults:    Defaults{Duration: time.Hour, Pending: 48 * time.Hour},
		Audit:       Audit{CheckpointEvery: 30 * time.Second, CheckpointTo: []string{"file:/mnt/a", "https://w.example.com/x"}, Export: []string{"syslog+tls://logs"}},
		Log:         Log{Level: "debug", Format: "json"},
		Auth:        Auth{SessionTTL: 8 * time.Hour},
		MetricsAt:   "127.0.0.1:9090",
		Operations:  Operations{Account: "main", Service: "Operations"},
		Egress:      Egress{Allow: []string{"10.0.0.0/8", "vault:8200"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got.URL() != "https://sallyport.example.com" {
		t.Error(got.URL())
	}
	if notes := got.Notes(); len(notes) != 0 {
		t.Errorf("%q", notes)
	}
	got.PublicURL = ""
	if notes := got.Notes(); len(notes) != 1 || !strings.HasPrefix(notes[0], "listen 0.0.0.0:80 can be reached from other machines") {
		t.Errorf("%q", notes)
	}
}

func TestTheEnvironmentWins(t *testing.T) {
	got, err := Load(write(t, full), append(home,
		"SALLYPORT_LISTEN=127.0.0.1:1", "SALLYPORT_ONCALL_MAX_STALENESS=10s", "SALLYPORT_ANNOTATIONS_SERVICES=a, b",
		"SALLYPORT_AUTH_LOCAL_ADMIN=true", "SALLYPORT_DATABASE=", "SALLYPORT_SERVER=https://elsewhere", "SALLYPORT_SERVICE_HOST=10.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Listen != "127.0.0.1:1" || got.OnCall.MaxStaleness != 10*time.Second || !got.LocalAdmin || got.Database == "" {
		t.Errorf("%v", got)
	}
	if diff := cmp.Diff([]string{"a", "b"}, got.Annotations.Services); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsWrongStopsTheStart(t *testing.T) {
	tests := []struct{ name, file, env, want string }{
		{"unknown", "listne: x\n", "", `unknown setting "listne" at FILE:1; did you mean "listen"?`},
		{"unknown inside", "log: {level: info}\noncall:\n  max_stalness: 1s\n", "", `unknown setting "oncall.max_stalness" at FILE:3; did you mean "max_staleness"?`},
		{"unknown and far", "colour: red\n", "", `unknown setting "colour" at FILE:1`},
		{"case", "Listen: x\n", "", `unknown setting "Listen" at FILE:1; did you mean "listen"?`},
		{"dotted", "log.level: info\n", "", `unknown setting "log.level" at FILE:1`},
		{"twice", "listen: a:1\nlisten: b:2\n", "", `setting listen stands twice, first at line 1, at FILE:2`},
		{"unknown variable", "", "SALLYPORT_ONCALL_MAX_STALNESS=1s", `unknown setting SALLYPORT_ONCALL_MAX_STALNESS in the environment; did you mean SALLYPORT_ONCALL_MAX_STALENESS?`},
		{"not YAML", "listen: [\n", "", `FILE is not valid YAML: line 1: did not find expected node content`},
		{"not settings", "- listen\n", "", `the configuration must be settings and their values at FILE:1`},
		{"no section", "oncall: 60s\n", "", `oncall must be a section at FILE:1`},
		{"number", "listen: 7373\n", "", `listen must be text at FILE:1`},
		{"number for a duration", "oncall: {max_staleness: 60}\n", "", `oncall.max_staleness must be a duration at FILE:1`},
		{"text for a bool", "auth: {local_admin: 'no'}\n", "", `auth.local_admin must be true or false at FILE:1`},
		{"list with a number", "annotations: {services: [1]}\n", "", `annotations.services must be text or a list of texts at FILE:1`},
		{"empty list", "annotations: {services: []}\n", "", `annotations.services at FILE:1 must name something`},
		{"no duration", "defaults: {grace: soon}\n", "", `defaults.grace at FILE:1 must be a duration such as "30s", "15m" or "7d"`},
		{"no duration in a variable", "", "SALLYPORT_DEFAULTS_GRACE=15", `defaults.grace in SALLYPORT_DEFAULTS_GRACE must be a duration such as "30s", "15m" or "7d"`},
		{"stale", "oncall: {max_staleness: 121s}\n", "", `oncall.max_staleness at FILE:1 must be between 1s and 2m0s`},
		{"negative", "oncall: {sync_every: -1s}\n", "", `oncall.sync_every at FILE:1 must be between 1s and 1h0m0s`},
		{"long", "defaults: {duration: 15d}\n", "", `defaults.duration at FILE:1 must be between 1m0s and 336h0m0s`},
		{"level", "log: {level: loud}\n", "", `log.level at FILE:1 must be one of debug, info, warn, error`},
		{"address", "listen: localhost\n", "", `listen at FILE:1 must be an address such as 127.0.0.1:7373`},
		{"URL", "public_url: sallyport.example.com\n", "", `public_url at FILE:1 must be an http or https URL`},
		{"database", "database: mysql://root:c4n4ry@db/x\n", "", `database at FILE:1 must be empty or a postgres:// URL`},
		{"database of noise", "database: '://c4n4ry'\n", "", `database at FILE:1 must be empty or a postgres:// URL`},
		{"operations", "operations: {account: main}\n", "", `operations.account is set and operations.service is not`},
		{"tls", "tls: {client_ca: a}\n", "", `tls.client_ca at FILE:1 is not supported by this version`},
		{"half of tls", "tls: {cert: a}\n", "", `one of tls.cert and tls.key is set and the other is not`},
		{"oidc", "auth:\n  oidc: {issuer: https://i.example}\n", "", `auth.oidc at FILE:2 is not supported by this version`},
		{"checkpoints nowhere", "audit: {checkpoint_to: [a]}\n", "", `audit.checkpoint_to at FILE:1 must be file:PATH or https://HOST/PATH`},
		{"checkpoints in the clear", "audit: {checkpoint_to: ['http://a']}\n", "", `audit.checkpoint_to at FILE:1 must be file:PATH or https://HOST/PATH`},
		{"an export with a password", "audit: {export: ['https://u:p@a']}\n", "", `audit.export at FILE:1 must be a URL without user, query and fragment`},
		{"an export twice", "audit: {export: ['syslog://a', 'syslog://a']}\n", "", `audit.export at FILE:1 names the same place twice`},
		{"checkpoints too rarely", "", "SALLYPORT_AUDIT_CHECKPOINT_EVERY=2h", `audit.checkpoint_every in SALLYPORT_AUDIT_CHECKPOINT_EVERY must be between 1s and 1h0m0s`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, tt.file)
			_, err := Load(path, append(home, tt.env))
			var e *core.Error
			if !errors.As(err, &e) || e.Kind != core.Invalid {
				t.Fatalf("not core.Invalid: %v", err)
			}
			if got := strings.ReplaceAll(err.Error(), path, "FILE"); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
			if strings.Contains(e.Error()+e.Hint, "c4n4ry") {
				t.Error("the password is shown")
			}
		})
	}
}

func TestAMissingFileIsNamed(t *testing.T) {
	_, err := Load("/nowhere/sallyport.yaml", home)
	if core.KindOf(err) != core.Invalid || err.Error() != "there is no configuration at /nowhere/sallyport.yaml" {
		t.Errorf("%v", err)
	}
}

func TestAnEmptyFileAndEmptySectionsAreDefaults(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "oncall:\n  # max_staleness: 60s\ndata:\n"} {
		got, err := Load(write(t, text), home)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if diff := cmp.Diff(defaults(lookup(home)), got); diff != "" {
			t.Errorf("%q:\n%s", text, diff)
		}
	}
}

func TestAPasswordIsNeverPrinted(t *testing.T) {
	c := defaults(lookup(home))
	for _, u := range []Database{"postgres://sallyport:c4n4ry@db/x", "postgres://db/x?password=c4n4ry&sslmode=require", "postgres://db/x?sslpassword=c4n4ry", "://c4n4ry"} {
		c.Database = u
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "config", c, "database", c.Database)
		for _, printed := range []string{c.String(), fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), fmt.Sprintf("%v %s %q %#v", u, u, u, u), log.String()} {
			if strings.Contains(printed, "c4n4ry") {
				t.Errorf("%s: %s", u, printed)
			}
		}
	}
}

func TestLoopbackAddressesAreKnown(t *testing.T) {
	for listen, want := range map[string]bool{"127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true, "localhost:1": true, ":7373": false, "0.0.0.0:1": false, "192.0.2.1:1": false, "example.com:1": false} {
		if got := Loopback(listen); got != want {
			t.Errorf("%s: %v", listen, got)
		}
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sallyport.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
