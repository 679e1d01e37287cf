package cli

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
)

// A stored login is what login keeps besides the identity. It says nothing of how the server
// is verified: that is by the authorities in the identity file, and never not at all.
type storedLogin struct {
	Server string `json:"server"`
	Pin    string `json:"ca_pin,omitempty"`
}

// loginFolder is where login keeps what it got.
func loginFolder() string {
	dir := os.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(os.Getenv("HOME"), ".config")
	}
	return filepath.Join(dir, "sallyport")
}

func identityFile() string { return filepath.Join(loginFolder(), "identity") }
func loginFile() string    { return filepath.Join(loginFolder(), "login.json") }

// readLogin returns what login stored; nothing where nobody is logged in.
func readLogin() (storedLogin, error) {
	var l storedLogin
	text, err := os.ReadFile(loginFile())
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &l)
	}
	if err != nil {
		return l, core.Errorf(core.Invalid, "%s cannot be read: %w", loginFile(), err).WithHint("log in again: sallyport login --server URL")
	}
	return l, nil
}

func writeLogin(l storedLogin) error {
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return os.WriteFile(loginFile(), append(text, '\n'), 0o600)
}

type loginOptions struct {
	server, proxy, ttl, pin, user string
	noBrowser                     bool
}

func (s *shell) loginCommand() *cobra.Command {
	var o loginOptions
	c := &cobra.Command{
		Use:   "login --server URL",
		Short: "Sign in, and keep a certificate that ends by itself",
		Long: `Opens the page on which you sign in and say that this command line is yours, and keeps the
certificate that it gets for that under $XDG_CONFIG_HOME/sallyport.`,
		Example: `  sallyport login --server https://sallyport.example.com
  sallyport login --server https://sallyport.example.com --ttl 60060 --no-browser`,
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE:              func(c *cobra.Command, _ []string) error { return s.login(c.Context(), o) },
	}
	f := c.Flags()
	f.StringVar(&o.proxy, "proxy", "", "another name of --server, as tsh has it")
	f.StringVar(&o.ttl, "ttl", "", "how long to stay signed in, at most what your roles allow: 12h, or minutes as tsh takes them")
	f.StringVar(&o.pin, "ca-pin", "", "the pin of the server's certificate authority: sha256:...")
	f.StringVar(&o.user, "user", "", "refuse to be signed in as anybody else")
	f.BoolVar(&o.noBrowser, "no-browser", false, "print the link and open nothing")
	return c
}

// readTTL reads a length of time; a bare number is minutes.
func readTTL(text string) (string, error) {
	if n, err := strconv.Atoi(text); err == nil {
		if n <= 0 || n > 366*24*60 {
			return "", misuse("--ttl %s is not a length of time in minutes", text).WithHint("for example --ttl 12h, or --ttl 720 for minutes")
		}
		return (time.Duration(n) * time.Minute).String(), nil
	}
	return text, nil
}

// serverURL reads the address of a server. One without a scheme is taken for https; on
// loopback http is as well, as the same port speaks TLS.
func serverURL(text string) (string, error) {
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || (u.Path != "" && u.Path != "/") {
		return "", misuse("%q is not the address of a server", text).WithHint("write --server https://sallyport.example.com")
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()) {
		u.Scheme = "https"
	}
	if u.Scheme != "https" {
		return "", misuse("identities are used over https only, not at %s", text).WithHint("write --server https://%s", u.Host)
	}
	return "https://" + u.Host, nil
}

func (s *shell) login(ctx context.Context, o loginOptions) error {
	if o.server = s.server; o.server == "" {
		o.server = o.proxy
	}
	stored, err := readLogin()
	if err != nil {
		return err
	}
	if o.server == "" {
		o.server = stored.Server
	}
	if o.server == "" {
		return misuse("login needs the address of the server").WithHint("sallyport login --server https://sallyport.example.com")
	}
	if o.server, err = serverURL(o.server); err != nil {
		return err
	}
	if o.ttl, err = readTTL(o.ttl); err != nil {
		return err
	}
	var known *client.Identity
	if stored.Server == o.server {
		known, _ = client.LoadIdentity(identityFile()) // without it the server is met anew
	}
	met, err := client.Meet(ctx, o.server, known)
	if err == nil {
		err = s.trust(met, o)
	}
	if err != nil {
		return err
	}
	c, err := client.New(client.Options{Server: o.server, HTTP: met.HTTP(), UserAgent: "sallyport/" + s.version()})
	if err != nil {
		return err
	}
	defer c.Close()
	return s.obtain(ctx, c, o)
}

// trust decides whether a server is the one that is meant, where nobody this host trusts says so.
func (s *shell) trust(m client.Meeting, o loginOptions) error {
	if o.pin != "" && (m.Pin != "" || !m.Trusted) {
		if subtle.ConstantTimeCompare([]byte(strings.ToLower(o.pin)), []byte(m.Pin)) == 1 {
			return nil
		}
		return core.Errorf(core.Refused, "the server at %s shows another certificate authority, %s", o.server, m.Pin).
			WithHint("do not go on before you know why; on the server's host: sallyport auth show")
	}
	if m.Trusted {
		return nil
	}
	if !s.asks() {
		return core.Errorf(core.Refused, "nobody that this host trusts vouches for the server at %s, whose certificate authority is %s", o.server, m.Pin).
			WithHint("if that is the pin that `sallyport auth show` prints on the server's host: sallyport login --server %s --ca-pin %s", o.server, m.Pin)
	}
	s.notef("You meet %s for the first time. Its certificate authority is\n  %s\nas `sallyport auth show` prints it on the server's host. Is that right? [y/N] ", o.server, m.Pin)
	var answer string
	_, _ = fmt.Fscanln(s.in, &answer) // nothing is no
	if !strings.EqualFold(answer, "y") && !strings.EqualFold(answer, "yes") {
		return core.Errorf(core.Refused, "the server is not trusted, so nothing was sent to it")
	}
	return nil
}

// asks reports whether somebody is there to answer: standard input is a terminal, and not the
// device that stands for nothing, which looks like one.
func (s *shell) asks() bool {
	in, file := s.in.(*os.File)
	if !file {
		return false
	}
	info, err := in.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// obtain waits until the login is approved, and keeps what it gives.
func (s *shell) obtain(ctx context.Context, c *client.Client, o loginOptions) error {
	key, request, err := client.NewKey()
	if err != nil {
		return err
	}
	l, err := c.StartLogin(ctx, client.LoginStart{Request: string(request), TTL: o.ttl, Label: hostLabel()})
	if err != nil {
		return err
	}
	s.notef("Sign in at\n  %s\nand approve the code %s\n", l.URL, l.Code)
	if !o.noBrowser {
		openBrowser(ctx, l.URL)
	}
	got, err := s.awaitLogin(ctx, c, l)
	if err != nil {
		return err
	}
	if o.user != "" && got.User != o.user {
		return core.Errorf(core.Refused, "you signed in as %s and asked for %s", got.User, o.user).WithHint("sign out in the browser first")
	}
	if err := os.MkdirAll(loginFolder(), 0o700); err != nil {
		return err
	}
	if err := client.WriteIdentity(identityFile(), key, []byte(got.Certificate), []byte(got.Authority)); err != nil {
		return err
	}
	if err := writeLogin(storedLogin{Server: o.server, Pin: got.Pin}); err != nil {
		return err
	}
	s.sayf("You are %s at %s until %s\n", got.User, o.server, stamp(got.ExpiresAt))
	return nil
}

const pollEvery = 2 * time.Second

func (s *shell) awaitLogin(ctx context.Context, c *client.Client, l client.Login) (client.Certificate, error) {
	for {
		end, err := c.FinishLogin(ctx, l.ID, l.Secret)
		if err != nil {
			return client.Certificate{}, err
		}
		if end.Done && end.Certificate != nil {
			return *end.Certificate, nil
		}
		if err := pause(ctx, pollEvery); err != nil {
			return client.Certificate{}, err
		}
	}
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func hostLabel() string {
	host, _ := os.Hostname() // without it the label says less
	return host
}

// openBrowser tries; the link is printed in any case.
func openBrowser(ctx context.Context, link string) {
	if u, err := url.Parse(link); err != nil || (u.Scheme != "https" && u.Scheme != "http") {
		return
	}
	program := "xdg-open"
	if runtime.GOOS == "darwin" {
		program = "open"
	}
	if cmd := exec.CommandContext(context.WithoutCancel(ctx), program, link); cmd.Start() == nil { //nolint:gosec // a link over http, as one argument
		go func() { _ = cmd.Wait() }()
	}
}

func (s *shell) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "logout",
		Short:             "End the session on the server, and forget the certificate",
		Example:           "  sallyport logout",
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE:              func(c *cobra.Command, _ []string) error { return s.logout(c.Context()) },
	}
}

func (s *shell) logout(ctx context.Context) error {
	stored, err := readLogin()
	if err != nil {
		return err
	}
	if stored.Server == "" {
		s.sayf("nobody is logged in here\n")
		return nil
	}
	ended := s.endOwn(ctx, stored)
	for _, name := range []string{identityFile(), loginFile()} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if ended != nil {
		s.notef("warning: the server was not told, so a copy of the certificate works until its end: %s\n", ended)
	}
	s.sayf("logged out of %s\n", stored.Server)
	return nil
}

// endOwn ends the session of the stored identity on the server.
func (s *shell) endOwn(ctx context.Context, l storedLogin) error {
	c, err := s.network(l.Server, identityFile())
	if err != nil {
		return err
	}
	defer c.Close()
	who, err := c.WhoAmI(ctx)
	if err != nil {
		return err
	}
	return c.EndSession(ctx, who.Kind, who.ID)
}
