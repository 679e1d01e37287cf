package web

import (
	"net/http"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// A Reader is who looks at a page, and what its forms send along.
type Reader struct{ Name, CSRF string } // no CSRF: not signed in with this browser

// You is what the page about oneself shows.
type You struct {
	Reader
	Notice   string
	Roles    []string
	This     string // the id of the session that is looking
	Sessions []engine.Session
	Proofs   []core.Credential
}

func (o Options) reader(r *http.Request) Reader {
	out := Reader{Name: o.Caller(r).Name()}
	if o.CSRF != nil && o.Caller(r).Session.Kind == core.CredentialSession {
		out.CSRF = o.CSRF(r)
	}
	return out
}

// own adds the pages by which somebody who is signed in looks after their own identity. Nothing
// happens by following a link: what changes something is a form, with the token that only
// pages of the session know.
func own(mux *http.ServeMux, o Options) {
	p := &public{o}
	mux.HandleFunc("GET /you", func(w http.ResponseWriter, r *http.Request) {
		page, err := readYou(r, o)
		if err != nil {
			failed(w, r, o.Notice, err)
			return
		}
		show(w, r, you(page))
	})
	mux.Handle("POST /you/passkeys/begin", answering(p.beginOwn))
	mux.Handle("POST /you/passkeys/finish", answering(p.finishOwn))
	form := func(pattern, next string, do func(*http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := do(r); err != nil {
				failed(w, r, o.Notice, err)
				return
			}
			http.Redirect(w, r, next, http.StatusSeeOther)
		})
	}
	form("POST /you/passkeys/remove", "/you", func(r *http.Request) error {
		return o.Engine.RemoveProof(r.Context(), o.Caller(r), core.CredentialKind(r.PostFormValue("kind")), r.PostFormValue("id"))
	})
	form("POST /you/sessions/end", "/you", func(r *http.Request) error {
		kind := core.CredentialKind(r.PostFormValue("kind"))
		if kind != core.CredentialSession && kind != core.CredentialCertificate {
			return core.Errorf(core.Invalid, "this is not a session")
		}
		return o.Engine.EndSession(r.Context(), o.Caller(r), kind, r.PostFormValue("id"))
	})
	mux.HandleFunc("POST /signout", func(w http.ResponseWriter, r *http.Request) {
		if err := o.Engine.SignOut(r.Context(), o.Caller(r)); err != nil {
			failed(w, r, o.Notice, err)
			return
		}
		if o.ClearSession != nil {
			o.ClearSession(w)
		}
		http.Redirect(w, r, "/signin", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /login/{id}", func(w http.ResponseWriter, r *http.Request) {
		l, err := o.Engine.PendingLogin(r.Context(), o.Caller(r), r.PathValue("id"))
		if err != nil {
			failed(w, r, o.Notice, err)
			return
		}
		show(w, r, approval(o.Notice, o.reader(r), l))
	})
	mux.HandleFunc("POST /login/{id}", func(w http.ResponseWriter, r *http.Request) {
		settle, text := o.Engine.RefuseLogin, "That command line was refused. If you did not start it, somebody may be trying to act as you: tell your administrators."
		if r.PostFormValue("do") == "allow" {
			settle, text = o.Engine.ApproveLogin, "The command line is signed in. You can close this page."
		}
		if err := settle(r.Context(), o.Caller(r), r.PathValue("id")); err != nil {
			failed(w, r, o.Notice, err)
			return
		}
		show(w, r, done(o.Notice, o.reader(r), text))
	})
}

func readYou(r *http.Request, o Options) (y You, err error) {
	a := o.Caller(r)
	y = You{Reader: o.reader(r), Notice: o.Notice, This: a.Session.ID}
	if a.User == "" {
		return y, nil
	}
	dir, err := o.Engine.Directory(r.Context())
	if err != nil {
		return y, err
	}
	u, _ := dir.User(a.User)
	y.Roles = u.Roles
	if y.Sessions, err = o.Engine.Sessions(r.Context(), a, a.User); err != nil {
		return y, err
	}
	y.Proofs, err = o.Engine.Proofs(r.Context(), a, a.User)
	return y, err
}

func (p *public) beginOwn(_ http.ResponseWriter, r *http.Request, _ step) (step, error) {
	a := p.Caller(r)
	proofs, err := p.Engine.Proofs(r.Context(), a, a.User)
	if err != nil {
		return step{}, err
	}
	var known []string
	for _, c := range proofs {
		if c.Kind == core.CredentialPasskey {
			known = append(known, c.ID)
		}
	}
	options, state, err := p.Passkeys.BeginRegistration(a.User, known)
	return p.begin(r.Context(), toRegister, a.User, options, state, err)
}

func (p *public) finishOwn(_ http.ResponseWriter, r *http.Request, in step) (step, error) {
	a := p.Caller(r)
	proof, err := registered(r, p.Options, a.User, in)
	if err != nil {
		return step{}, err
	}
	return step{}, p.Engine.AddProof(r.Context(), a, proof)
}
