package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/engine"
)

func (a *API) inviteUser(ctx context.Context, in *struct {
	Name string `path:"name"`
},
) (*answer[client.Invitation], error) {
	var ask client.InvitationAsk
	if err := read(ctx, &ask); err != nil {
		return nil, err
	}
	var ttl time.Duration
	if ask.TTL != "" {
		var err error
		if ttl, err = readDuration(ask.TTL); err != nil {
			return nil, err
		}
	}
	i, err := a.Engine.Invite(ctx, caller(ctx), engine.Invitation{User: in.Name, Replace: ask.Replace}, ttl)
	if err != nil {
		return nil, err
	}
	site := strings.TrimSuffix(a.Engine.PublicURL, "/")
	if a.Site != nil {
		site = a.Site()
	}
	return created(client.Invitation{User: i.User, Link: site + "/invite/" + i.Token, ExpiresAt: i.ExpiresAt.UTC()}), nil
}

// telling reports whether the answer to a call has a secret in it, which is told once and kept
// nowhere. Made again, an invitation replaces the one before, so that repeating does no harm.
func telling(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/v1/users/") && strings.HasSuffix(r.URL.Path, "/invitation")
}
