package web

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// Passkeys makes and verifies passkeys. What a ceremony begins with goes to the browser as
// options, and comes back to this as state.
type Passkeys interface {
	BeginRegistration(user string, known []string) (options, state []byte, err error)
	FinishRegistration(user string, state, answer []byte, label string) (engine.Proof, error)
	BeginSignIn() (options, state []byte, err error)
	FinishSignIn(ctx context.Context, state, answer []byte) (engine.Proof, error)
}

// The purposes of the tickets of ceremonies.
const (
	toSignIn   = "passkey sign-in"
	toRegister = "passkey registration"
)

const (
	ceremonyTime = 5 * time.Minute
	maxAnswer    = 64 << 10
	maxLabel     = 80
)

// IsPublic reports whether Public answers a call, whoever makes it.
func IsPublic(r *http.Request) bool {
	path := r.URL.Path
	return path == "/signin" || strings.HasPrefix(path, "/invite/") || strings.HasPrefix(path, "/static/") || strings.HasPrefix(path, "/auth/")
}

// Public serves those who are not signed in: the sign-in, invitations, and what these pages call.
func Public(o Options) http.Handler {
	p := &public{o}
	mux := http.NewServeMux()
	mux.Handle("GET /static/", http.FileServerFS(static))
	mux.HandleFunc("GET /signin", func(w http.ResponseWriter, r *http.Request) {
		show(w, r, signIn(o.Notice, local(r.URL.Query().Get("next"))))
	})
	mux.HandleFunc("GET /invite/{token}", p.invitation)
	mux.Handle("POST /auth/passkey/begin", answering(p.beginSignIn))
	mux.Handle("POST /auth/passkey/finish", answering(p.finishSignIn))
	mux.Handle("POST /auth/invite/begin", answering(p.beginInvited))
	mux.Handle("POST /auth/invite/finish", answering(p.finishInvited))
	return http.NewCrossOriginProtection().Handler(mux)
}

// local keeps to paths of this server: a link to the sign-in leads nobody elsewhere.
func local(next string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/"
	}
	return next
}

type public struct{ Options }

// A step is what a page sends in a ceremony, and what it is told.
type step struct {
	Invitation string          `json:"invitation,omitempty"`
	Ticket     string          `json:"ticket,omitempty"`
	Options    json.RawMessage `json:"options,omitempty"`
	Answer     json.RawMessage `json:"answer,omitempty"`
	Label      string          `json:"label,omitempty"`
	Error      string          `json:"error,omitempty"`
	Hint       string          `json:"hint,omitempty"`
}

// answering serves one step of a ceremony.
func answering(do func(http.ResponseWriter, *http.Request, step) (step, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		var in, out step
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAnswer))
		if err == nil {
			err = json.Unmarshal(text, &in)
		}
		if err != nil {
			err = core.Errorf(core.Invalid, "the call cannot be read")
		} else {
			out, err = do(w, r, in)
		}
		status := http.StatusOK
		if err != nil {
			status = statusOf(err)
			out = step{Error: said(err), Hint: core.HintOf(err)}
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(out) // the caller may have gone
	})
}

// begin stores a ceremony's state and tells the browser its options.
func (p *public) begin(ctx context.Context, purpose, user string, options, state []byte, err error) (step, error) {
	if err != nil {
		return step{}, err
	}
	ticket, err := p.Engine.IssueTicket(ctx, engine.Ticket{Purpose: purpose, User: user, Data: string(state), TTL: ceremonyTime})
	return step{Ticket: ticket, Options: options}, err
}

func (p *public) beginSignIn(_ http.ResponseWriter, r *http.Request, _ step) (step, error) {
	options, state, err := p.Passkeys.BeginSignIn()
	return p.begin(r.Context(), toSignIn, "", options, state, err)
}

func (p *public) finishSignIn(w http.ResponseWriter, r *http.Request, in step) (step, error) {
	ticket, err := p.Engine.RedeemTicket(r.Context(), toSignIn, in.Ticket)
	if err != nil {
		return step{}, err
	}
	proof, err := p.Passkeys.FinishSignIn(r.Context(), []byte(ticket.Data), in.Answer)
	if err != nil {
		return step{}, p.Engine.RefuseSignIn(r.Context(), engine.Proof{Kind: core.CredentialPasskey}, visit(r), err)
	}
	s, err := p.Engine.SignIn(r.Context(), proof, visit(r))
	if err == nil {
		p.SetSession(w, s.Token, s.ExpiresAt)
	}
	return step{}, err
}

func (p *public) beginInvited(_ http.ResponseWriter, r *http.Request, in step) (step, error) {
	i, err := p.Engine.Invitation(r.Context(), in.Invitation)
	if err != nil {
		return step{}, err
	}
	options, state, err := p.Passkeys.BeginRegistration(i.User, nil)
	return p.begin(r.Context(), toRegister, i.User, options, state, err)
}

func (p *public) finishInvited(w http.ResponseWriter, r *http.Request, in step) (step, error) {
	i, err := p.Engine.Invitation(r.Context(), in.Invitation)
	if err != nil {
		return step{}, err
	}
	proof, err := registered(r, p.Options, i.User, in)
	if err != nil {
		return step{}, err
	}
	s, err := p.Engine.AcceptInvitation(r.Context(), in.Invitation, proof, visit(r))
	if err == nil {
		p.SetSession(w, s.Token, s.ExpiresAt)
	}
	return step{}, err
}

// registered ends the making of a passkey for a user.
func registered(r *http.Request, o Options, user string, in step) (engine.Proof, error) {
	ticket, err := o.Engine.RedeemTicket(r.Context(), toRegister, in.Ticket)
	if err != nil {
		return engine.Proof{}, err
	}
	if ticket.User != user {
		return engine.Proof{}, core.Errorf(core.Unauthenticated, "this passkey was begun for somebody else").WithHint("begin again")
	}
	label := strings.TrimSpace(in.Label)
	if label == "" || len(label) > maxLabel {
		label = browser(r)
	}
	return o.Passkeys.FinishRegistration(user, []byte(ticket.Data), in.Answer, label)
}

func (p *public) invitation(w http.ResponseWriter, r *http.Request) {
	token := r.PathValue("token")
	i, err := p.Engine.Invitation(r.Context(), token)
	if err != nil {
		failed(w, r, p.Notice, err)
		return
	}
	i.Token = token
	show(w, r, invited(p.Notice, i, p.Now()))
}

// visit is from where a call comes.
func visit(r *http.Request) engine.Visit {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return engine.Visit{Address: host, Label: browser(r)}
}

// browser names a browser and its system as people know them.
func browser(r *http.Request) string {
	agent := r.UserAgent()
	first := func(otherwise string, names ...string) string {
		for _, n := range names {
			if key, name, _ := strings.Cut(n, "="); strings.Contains(agent, key) {
				return name
			}
		}
		return otherwise
	}
	return first("a browser", "Edg/=Edge", "Firefox/=Firefox", "Chrome/=Chrome", "Safari/=Safari") + " on " +
		first("an unknown system", "Android=Android", "iPhone=iPhone", "iPad=iPad", "Mac OS=macOS", "Windows=Windows", "Linux=Linux")
}

func statusOf(err error) int {
	switch core.KindOf(err) {
	case core.Invalid:
		return http.StatusBadRequest
	case core.Unauthenticated:
		return http.StatusUnauthorized
	case core.Refused:
		return http.StatusForbidden
	case core.NotFound:
		return http.StatusNotFound
	case core.Conflict:
		return http.StatusConflict
	case core.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// said is what of an error may be told to people.
func said(err error) string {
	if statusOf(err) == http.StatusInternalServerError {
		return "something broke on our side"
	}
	return err.Error()
}

// failed shows a page about what went wrong.
func failed(w http.ResponseWriter, r *http.Request, notice string, err error) {
	showStatus(w, r, statusOf(err), trouble(notice, said(err), core.HintOf(err)))
}
