// Package auth is how callers prove who they are: the server's certificate authority, passkeys,
// sign-in by an OpenID provider, and the tokens of sessions and invitations.
//
// It holds the mechanisms and decides nothing: who may have which identity, and for how long,
// are verbs of package engine, which also keeps what is needed to know a caller again.
package auth
