// Package client is the Go client of Sallyport's REST API.
//
// It speaks to the server on the same host through the server's Unix socket, where the
// caller is the local administrator, or to a server elsewhere by its address. The structs
// of this package are what goes over the wire; the server answers with the same ones, so
// that the two cannot disagree. Every call may be cancelled by its context, and every
// error that the server answers with is an *Error.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Options say which server to speak to, and as whom. Either Socket or Server is required.
type Options struct {
	Socket    string       // path of the server's Unix socket
	Server    string       // "https://sallyport.example.com"
	As        string       // act as this user; through the socket only
	Token     string       // sent as a bearer token
	Identity  *Identity    // by which the caller is known; for Server
	UserAgent string       // default "sallyport-client"
	HTTP      *http.Client // for Server; default: one that follows no redirects
}

// Client calls the API. It is safe for concurrent use.
type Client struct {
	options Options
	base    *url.URL
	http    *http.Client
}

// maxAnswer is how much of one answer is read.
const maxAnswer = 256 << 20

// New returns a client. It calls nothing yet.
func New(o Options) (*Client, error) {
	if o.UserAgent == "" {
		o.UserAgent = "sallyport-client"
	}
	c := &Client{options: o, http: o.HTTP}
	switch {
	case o.Socket != "" && o.Server != "":
		return nil, errors.New("a client speaks to a socket or to a server, not to both")
	case o.Socket != "":
		c.base = &url.URL{Scheme: "http", Host: "sallyport"}
		c.http = &http.Client{Transport: socketTransport(o.Socket)}
	case o.Server != "":
		base, err := url.Parse(o.Server)
		if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
			return nil, fmt.Errorf("the server's address must be a URL such as https://sallyport.example.com, not %q", o.Server)
		}
		base.Path = strings.TrimSuffix(base.Path, "/")
		base.RawQuery, base.Fragment = "", ""
		c.base = base
		switch {
		case o.Identity != nil && base.Scheme != "https":
			return nil, fmt.Errorf("an identity is shown over https only, not to %q", o.Server)
		case o.Identity != nil:
			c.http = &http.Client{Transport: &http.Transport{
				TLSClientConfig: o.Identity.TLS(), Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second,
				TLSHandshakeTimeout: 10 * time.Second,
			}}
		case c.http == nil:
			c.http = &http.Client{}
		}
	default:
		return nil, errors.New("a client needs the server's socket or its address")
	}
	if c.http.CheckRedirect == nil {
		calm := *c.http
		calm.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		c.http = &calm
	}
	return c, nil
}

func socketTransport(path string) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     30 * time.Second,
	}
}

// Close lets go of the connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// A call is one request to the server.
type call struct {
	method, path string
	query        url.Values
	in           any    // sent as JSON, unless it is raw
	raw          []byte // sent as it is
	contentType  string // of raw
	accept       string // default: JSON
	key          string // idempotency key
}

// do makes a call and reads the answer into out, which may be nil.
func (c *Client) do(ctx context.Context, in call, out any) error {
	res, err := c.send(ctx, in)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if out == nil {
		_, err := io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
		return err
	}
	if raw, ok := out.(*[]byte); ok {
		*raw, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
		return err
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("read the answer to %s %s: %w", in.method, in.path, err)
	}
	return nil
}

// send makes a call and returns an answer that is a success.
func (c *Client) send(ctx context.Context, in call) (*http.Response, error) {
	req, err := c.request(ctx, in)
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreached(ctx, err)
	}
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return res, nil
	}
	defer func() { _ = res.Body.Close() }()
	return nil, readError(res)
}

func (c *Client) request(ctx context.Context, in call) (*http.Request, error) {
	body, contentType := in.raw, in.contentType
	if in.in != nil {
		b, err := json.Marshal(in.in)
		if err != nil {
			return nil, fmt.Errorf("write the body of %s %s: %w", in.method, in.path, err)
		}
		body, contentType = b, "application/json"
	}
	target := c.base.String() + in.path
	if len(in.query) > 0 {
		target += "?" + in.query.Encode()
	}
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, in.method, target, content)
	if err != nil {
		return nil, err
	}
	set := func(name, value string) {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	set("User-Agent", c.options.UserAgent)
	set("Content-Type", contentType)
	set("Accept", in.accept)
	set("Idempotency-Key", in.key)
	set("Sallyport-As", c.options.As)
	if c.options.Token != "" {
		set("Authorization", "Bearer "+c.options.Token)
	}
	return req, nil
}

// unreached says in words why no answer came.
func (c *Client) unreached(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if c.options.Socket != "" {
		return &Error{
			Status: http.StatusServiceUnavailable, Kind: KindUnavailable, Title: "No answer",
			Detail: "no server answers at " + c.options.Socket + ": is it running?",
			Hint:   "start it: sallyport serve --data " + filepath.Dir(c.options.Socket),
			Err:    err,
		}
	}
	var cause *url.Error
	if errors.As(err, &cause) {
		err = cause.Err
	}
	return &Error{
		Status: http.StatusServiceUnavailable, Kind: KindUnavailable, Title: "No answer",
		Detail: fmt.Sprintf("no server answers at %s: %v", c.options.Server, err),
		Hint:   "check the address given with --server",
		Err:    err,
	}
}

// escape makes one segment of a path from a name.
func escape(name string) string { return url.PathEscape(name) }

// values are query parameters; what is empty is left out.
type values url.Values

func (v values) set(name, value string) values {
	if value != "" {
		url.Values(v).Set(name, value)
	}
	return v
}

func (v values) number(name string, n int64) values {
	if n != 0 {
		v.set(name, strconv.FormatInt(n, 10))
	}
	return v
}

func (v values) wait(d time.Duration) values {
	if d > 0 {
		v.set("wait", d.String())
	}
	return v
}

func (v values) moment(name string, t time.Time) values {
	if !t.IsZero() {
		v.set(name, t.Format(time.RFC3339Nano))
	}
	return v
}

func get(path string, query values) call {
	return call{method: http.MethodGet, path: path, query: url.Values(query)}
}

func post(path string, in any, query values) call {
	return call{method: http.MethodPost, path: path, in: in, query: url.Values(query)}
}
