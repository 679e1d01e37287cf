package client

import (
	"context"
	"net/http"
	"time"
)

// A LoginStart is what a command line says of itself when it wants to be let in.
type LoginStart struct {
	Request string `json:"request" doc:"A certificate request (RFC 2986) in PEM. The key stays where it was made."`
	TTL     string `json:"ttl,omitempty" doc:"How long the certificate shall last; the roles bound it." example:"8h"`
	Label   string `json:"label,omitempty" doc:"Of the host, for whoever approves."`
}

// A Login is one that waits for its user to approve it in the browser.
type Login struct {
	ID        string    `json:"id"`
	Code      string    `json:"code" doc:"Both sides show it."`
	Secret    string    `json:"secret" doc:"What finishes the login, once."`
	URL       string    `json:"url" doc:"The page on which its user approves it."`
	ExpiresAt time.Time `json:"expires_at" doc:"Of the wait."`
}

// A LoginSecret finishes a login.
type LoginSecret struct {
	Secret string `json:"secret"`
}

// A LoginEnd is what came of a login so far.
type LoginEnd struct {
	Done        bool         `json:"done"`
	Certificate *Certificate `json:"certificate,omitempty"`
}

// A SignRequest asks for a certificate.
type SignRequest struct {
	Request string `json:"request" doc:"A certificate request (RFC 2986) in PEM. The key stays where it was made."`
	User    string `json:"user,omitempty" doc:"Whom it shall stand for; absent: the caller."`
	TTL     string `json:"ttl,omitempty" example:"1h"`
	Label   string `json:"label,omitempty" doc:"Of the host."`
}

// A Certificate is one that was issued.
type Certificate struct {
	ID          string    `json:"id" doc:"Its serial number."`
	User        string    `json:"user"`
	Author      string    `json:"author,omitempty" doc:"Who had it made for them."`
	Certificate string    `json:"certificate" doc:"PEM."`
	Authority   string    `json:"authority" doc:"The certificates of the authority in PEM, the newest first."`
	Pin         string    `json:"pin" doc:"SHA-256 of the newest authority's public key."`
	ExpiresAt   time.Time `json:"expires_at"`
}

// An Authority is the server's own certificate authority.
type Authority struct {
	Certificates string `json:"certificates" doc:"PEM, the newest first."`
	Pin          string `json:"pin" doc:"SHA-256 of the newest one's public key."`
}

// A Who is as whom one calls.
type Who struct {
	User      string    `json:"user"`
	Via       string    `json:"via"`
	Author    string    `json:"author,omitempty" doc:"Who had the identity made."`
	Admin     bool      `json:"admin" doc:"May do everything."`
	Roles     []string  `json:"roles"`
	Kind      string    `json:"kind,omitempty" doc:"session or certificate; absent on the socket."`
	ID        string    `json:"id,omitempty"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// A Session is a stretch of time in which a caller is known.
type Session struct {
	Kind      string    `json:"kind" doc:"session: a browser; certificate: the command line or a machine."`
	ID        string    `json:"id"`
	User      string    `json:"user"`
	Author    string    `json:"author,omitempty" doc:"Who had it made for them."`
	Method    string    `json:"method"`
	Address   string    `json:"address,omitempty"`
	Label     string    `json:"label,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// A SessionList is the sessions of a user.
type SessionList struct {
	Items []Session `json:"items"`
}

// StartLogin begins a login. Anybody may.
func (c *Client) StartLogin(ctx context.Context, in LoginStart) (Login, error) {
	var out Login
	return out, c.do(ctx, post("/v1/logins", in, nil), &out)
}

// FinishLogin asks what came of a login; the certificate is given once.
func (c *Client) FinishLogin(ctx context.Context, id, secret string) (LoginEnd, error) {
	var out LoginEnd
	return out, c.do(ctx, post("/v1/logins/"+escape(id)+"/finish", LoginSecret{secret}, nil), &out)
}

// Authority shows the server's certificate authority.
func (c *Client) Authority(ctx context.Context) (Authority, error) {
	var out Authority
	return out, c.do(ctx, get("/v1/ca", nil), &out)
}

// RotateAuthority adds a generation to the certificate authority; the one before stays trusted for a while.
func (c *Client) RotateAuthority(ctx context.Context) (Authority, error) {
	var out Authority
	return out, c.do(ctx, post("/v1/ca/rotate", nil, nil), &out)
}

// Sign asks for a certificate.
func (c *Client) Sign(ctx context.Context, in SignRequest) (Certificate, error) {
	var out Certificate
	return out, c.do(ctx, post("/v1/certificates", in, nil), &out)
}

// Renew asks for a certificate in place of the one by which this is asked; for bots.
func (c *Client) Renew(ctx context.Context, in SignRequest) (Certificate, error) {
	var out Certificate
	return out, c.do(ctx, post("/v1/certificates/renew", in, nil), &out)
}

// WhoAmI tells as whom this is asked.
func (c *Client) WhoAmI(ctx context.Context) (Who, error) {
	var out Who
	return out, c.do(ctx, get("/v1/whoami", nil), &out)
}

// Sessions lists the sessions of a user; of the caller where user is empty.
func (c *Client) Sessions(ctx context.Context, user string) (SessionList, error) {
	var out SessionList
	return out, c.do(ctx, get("/v1/sessions", values{}.set("user", user)), &out)
}

// EndSession ends a session.
func (c *Client) EndSession(ctx context.Context, kind, id string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: "/v1/sessions/" + escape(kind) + "/" + escape(id)}, nil)
}
