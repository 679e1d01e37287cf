package core

import "time"

// A Credential is something by which a caller is known, or is going to be: a session, a
// certificate, a passkey, an invitation. The server's own keys are kept in the same way.
//
// It never holds what its holder has. Of a token only the digest is kept, of a certificate
// the serial number, and a key is sealed.
type Credential struct {
	Kind      CredentialKind
	ID        string // a digest, a serial number, or a name
	User      string // whom it stands for; empty: nobody yet, or the server
	Author    string // who made it for them; empty: they did, or the local administrator
	Body      string // JSON: the rest, by its kind
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
}

// A CredentialKind says what a credential is.
type CredentialKind string

// The kinds of credentials.
const (
	CredentialSession     CredentialKind = "session"     // in a browser; the id is the digest of its cookie
	CredentialCertificate CredentialKind = "certificate" // of the command line or a machine; the id is its serial number in hex
	CredentialPasskey     CredentialKind = "passkey"     // the id is the one that its authenticator gave it
	CredentialSubject     CredentialKind = "subject"     // of an OpenID provider; the id is issuer and subject
	CredentialTicket      CredentialKind = "ticket"      // works once: an invitation, a sign-in under way; the id is the digest of its token
	CredentialKey         CredentialKind = "key"         // of the server: its certificate authority, its audit log
)

// Expired reports whether a credential has had its time at now.
func (c Credential) Expired(now time.Time) bool {
	return !c.ExpiresAt.IsZero() && !now.Before(c.ExpiresAt)
}
