package app

import (
	"context"
	"crypto/x509"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/auth"
	"github.com/sallyport/sallyport/internal/config"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// authorityPurpose is what the engine keeps the authority's keys under.
const authorityPurpose = "ca"

// authorityKeys keeps the authority's keys with the engine.
type authorityKeys struct{ engine *engine.Engine }

func (k authorityKeys) All(ctx context.Context) ([]auth.StoredKey, error) {
	list, err := k.engine.Keys(ctx, authorityPurpose)
	out := make([]auth.StoredKey, len(list))
	for i, c := range list {
		out[i] = auth.StoredKey{Name: strings.TrimPrefix(c.ID, authorityPurpose+"/"), Body: c.Body, CreatedAt: c.CreatedAt}
	}
	return out, err
}

func (k authorityKeys) Add(ctx context.Context, key auth.StoredKey, after string) error {
	return k.engine.AddKey(ctx, owner, engine.Key{Purpose: authorityPurpose, Name: key.Name, Body: key.Body, After: after})
}

// An authority is the certificate authority of this process. One that could not be opened
// says why: the server then serves its socket, and knows nobody by certificate.
type authority struct {
	*auth.Authority
	certificate *auth.ServerCertificate
	err         error
}

// openAuthority opens the certificate authority. That the sealing key is another one's does
// not keep the server from starting: its grants have to end all the same.
func (a *App) openAuthority(ctx context.Context) error {
	ca, err := auth.OpenAuthority(ctx, authorityKeys{a.Engine}, a.sealer, a.clock.Now)
	if err != nil && core.KindOf(err) != core.Unavailable {
		return err
	}
	c := a.Config
	a.authority = authority{Authority: ca, err: err}
	if ca != nil || c.TLS.Cert != "" {
		a.authority.certificate = &auth.ServerCertificate{
			Authority: ca, Names: serverNames(c), Cert: c.TLS.Cert, Key: c.TLS.Key, Now: a.clock.Now, Log: a.Log,
		}
	}
	if err != nil {
		a.Log.Error("nobody is known by certificate", "error", withCure(err))
	}
	return nil
}

// serverNames are the names that the server's certificate is for.
func serverNames(c config.Config) []string {
	public, _ := url.Parse(c.URL()) // the settings were checked
	listen, _, _ := net.SplitHostPort(c.Listen)
	return auth.ServerNames(public.Hostname(), listen)
}

// watchAuthority takes over what another replica rotated.
func (a *App) watchAuthority(ctx context.Context) {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if a.authority.Authority == nil {
				continue
			}
			if err := a.authority.Refresh(ctx); err != nil && ctx.Err() == nil {
				a.Log.Warn("the keys of the certificate authority could not be read again", "error", err)
			}
		}
	}
}

// verifyCertificate looks at a caller's certificate.
func (a *App) verifyCertificate(shown []*x509.Certificate) (user, serial string, err error) {
	if a.authority.Authority == nil {
		return "", "", a.authority.err
	}
	return a.authority.Verify(shown)
}

// authorityTroubles says what is amiss with the certificates.
func (a *App) authorityTroubles() []string {
	var out []string
	if a.authority.err != nil {
		out = append(out, "certificate authority: nobody is known by certificate: "+withCure(a.authority.err))
	}
	if c := a.authority.certificate; c != nil && (c.Authority != nil || c.Cert != "") {
		if err := c.Trouble(); err != nil {
			out = append(out, "certificate: "+withCure(err))
		}
	}
	return out
}

// hosts are the names, with their ports, by which browsers may reach the server.
func (a *App) hosts() []string {
	public, _ := url.Parse(a.Config.URL()) // the settings were checked
	_, port, _ := net.SplitHostPort(a.address)
	hosts := []string{strings.ToLower(public.Host), a.address, "localhost:" + port, "127.0.0.1:" + port, "[::1]:" + port}
	if public.Port() == "" {
		defaults := map[string]string{"https": ":443", "http": ":80"}
		hosts = append(hosts, strings.ToLower(public.Host)+defaults[public.Scheme])
	}
	return hosts
}
