package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/sallyport/sallyport/internal/core"
)

// CeremonyTime is how long somebody has to use their authenticator.
const CeremonyTime = 5 * time.Minute

// Passkeys makes and verifies passkeys: discoverable ones, whose holder is verified by the
// authenticator. They are good for the host of one URL only.
type Passkeys struct{ rp *webauthn.WebAuthn }

// NewPasskeys returns passkeys for the URL by which people reach the server.
func NewPasskeys(publicURL string) (*Passkeys, error) {
	u, err := url.Parse(publicURL)
	if err != nil || u.Hostname() == "" {
		return nil, core.Errorf(core.Invalid, "passkeys need a host, and public_url %q has none", publicURL)
	}
	origins := []string{u.Scheme + "://" + u.Host}
	if u.Scheme == "http" { // this host's own port answers both
		origins = append(origins, "https://"+u.Host)
	}
	limit := webauthn.TimeoutConfig{Enforce: true, Timeout: CeremonyTime, TimeoutUVD: CeremonyTime}
	rp, err := webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: "Sallyport", RPOrigins: origins,
		AttestationPreference:  protocol.PreferNoAttestation,
		AuthenticatorSelection: selection(),
		Timeouts:               webauthn.TimeoutsConfig{Login: limit, Registration: limit},
	})
	if err != nil {
		return nil, fmt.Errorf("set passkeys up for %s: %w", publicURL, err)
	}
	return &Passkeys{rp: rp}, nil
}

func selection() protocol.AuthenticatorSelection {
	return protocol.AuthenticatorSelection{
		ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
		UserVerification: protocol.VerificationRequired,
	}
}

// A passkey is what is stored of one.
type passkey struct {
	Label string              `json:"label"`
	Key   webauthn.Credential `json:"key"`
}

// A holder is a user in the library's words. Its handle says nothing about the name.
type holder struct {
	name string
	keys []webauthn.Credential
}

func (h holder) WebAuthnID() []byte {
	sum := sha256.Sum256([]byte("sallyport user " + h.name))
	return sum[:]
}
func (h holder) WebAuthnName() string                       { return h.name }
func (h holder) WebAuthnDisplayName() string                { return h.name }
func (h holder) WebAuthnCredentials() []webauthn.Credential { return h.keys }

// A Ceremony is one that has begun: what the browser is told, and what to remember until it answers.
type Ceremony struct{ Options, State []byte }

func ceremony(options any, state *webauthn.SessionData) (c Ceremony, err error) {
	if c.Options, err = json.Marshal(options); err != nil {
		return c, err
	}
	c.State, err = json.Marshal(state)
	return c, err
}

// BeginRegistration begins making a passkey; an authenticator that has one of known makes no second.
func (p *Passkeys) BeginRegistration(user string, known []string) (Ceremony, error) {
	var exclude []protocol.CredentialDescriptor
	for _, id := range known {
		raw, err := base64.RawURLEncoding.DecodeString(id)
		if err != nil {
			return Ceremony{}, fmt.Errorf("read the id of a passkey: %w", err)
		}
		exclude = append(exclude, protocol.CredentialDescriptor{Type: protocol.PublicKeyCredentialType, CredentialID: raw})
	}
	options, state, err := p.rp.BeginRegistration(holder{name: user}, webauthn.WithExclusions(exclude))
	if err != nil {
		return Ceremony{}, fmt.Errorf("begin a passkey: %w", err)
	}
	return ceremony(options, state)
}

// FinishRegistration verifies a new passkey, and returns its id and what to store of it.
func (p *Passkeys) FinishRegistration(user string, state, answer []byte, label string) (id, body string, err error) {
	s, err := stateOf(state)
	if err != nil {
		return "", "", err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return "", "", refused(err)
	}
	made, err := p.rp.CreateCredential(holder{name: user}, s, parsed)
	if err != nil {
		return "", "", refused(err)
	}
	made.Attestation = webauthn.CredentialAttestation{} // nobody asks for it again
	text, err := json.Marshal(passkey{Label: label, Key: *made})
	return base64.RawURLEncoding.EncodeToString(made.ID), string(text), err
}

// BeginSignIn begins a sign-in of whoever has a passkey: no name is asked for.
func (p *Passkeys) BeginSignIn() (Ceremony, error) {
	options, state, err := p.rp.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return Ceremony{}, fmt.Errorf("begin a sign-in: %w", err)
	}
	return ceremony(options, state)
}

// An Assertion is a passkey that was shown: the one of ID, stored as Before and to be stored as Body.
type Assertion struct {
	ID, Before, Body string
	Cloned           bool // it counted backwards
}

// FinishSignIn verifies a passkey against what find has stored of it.
func (p *Passkeys) FinishSignIn(state, answer []byte, find func(id string) (user, body string, err error)) (Assertion, error) {
	var out Assertion
	s, err := stateOf(state)
	if err != nil {
		return out, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return out, refused(err)
	}
	var stored passkey
	_, shown, err := p.rp.ValidatePasskeyLogin(func(raw, _ []byte) (webauthn.User, error) {
		out.ID = base64.RawURLEncoding.EncodeToString(raw)
		user, body, err := find(out.ID)
		if err != nil {
			return nil, err
		}
		out.Before = body
		if err := json.Unmarshal([]byte(body), &stored); err != nil {
			return nil, err
		}
		return holder{name: user, keys: []webauthn.Credential{stored.Key}}, nil
	}, s, parsed)
	if err != nil {
		return out, refused(err)
	}
	out.Cloned = shown.Authenticator.CloneWarning
	text, err := json.Marshal(passkey{Label: stored.Label, Key: *shown})
	out.Body = string(text)
	return out, err
}

func stateOf(text []byte) (s webauthn.SessionData, err error) {
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("read what a ceremony was begun with: %w", err)
	}
	return s, nil
}

// refused hides from a stranger what exactly was wrong with an answer; the log has it.
func refused(err error) error {
	return core.Errorf(core.Unauthenticated, "the passkey was not accepted: %w", err).WithHint("try again, with a passkey for this address")
}
