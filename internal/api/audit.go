package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

func (a *API) listAudit(ctx context.Context, in *struct {
	Limit   int       `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many to answer with at most."`
	After   int64     `query:"after" minimum:"0" doc:"The next of the page before."`
	Order   string    `query:"order" enum:"oldest,newest" default:"oldest" doc:"With which to begin."`
	Actor   string    `query:"actor" maxLength:"512" doc:"Only what this user did."`
	Action  string    `query:"action" maxLength:"128" doc:"Only actions that begin so."`
	Subject string    `query:"subject" maxLength:"1024" doc:"Only what was done to this."`
	Since   time.Time `query:"since" doc:"Only what was done at this time or later."`
	Until   time.Time `query:"until" doc:"Only what was done before this time."`
},
) (*answer[client.AuditPage], error) {
	entries, err := a.Engine.AuditEntries(ctx, caller(ctx), engine.AuditQuery{
		Actor: in.Actor, Action: in.Action, Subject: in.Subject, Since: in.Since, Until: in.Until,
		After: in.After, Newest: in.Order == "newest", Limit: in.Limit + 1,
	})
	if err != nil {
		return nil, err
	}
	out := client.AuditPage{}
	if len(entries) > in.Limit {
		entries = entries[:in.Limit]
		out.Next = entries[in.Limit-1].Seq
	}
	out.Items = list(entries, viewEntry)
	return ok(out), nil
}

func (a *API) listAuditKeys(ctx context.Context, _ *struct{}) (*answer[client.AuditKeys], error) {
	keys, err := a.AuditKeys(ctx, caller(ctx))
	if err != nil {
		return nil, err
	}
	return ok(client.AuditKeys{Items: keys}), nil
}

func (a *API) rotateAuditKey(ctx context.Context, _ *struct{}) (*answer[client.AuditKeys], error) {
	var in client.KeyRotation
	if err := read(ctx, &in); err != nil {
		return nil, err
	}
	keys, err := a.RotateAuditKey(ctx, caller(ctx), in.Lost)
	if err != nil {
		return nil, err
	}
	return created(client.AuditKeys{Items: keys}), nil
}

func (a *API) verifyAudit(ctx context.Context, _ *struct{}) (*answer[client.AuditProof], error) {
	chain, err := a.Engine.VerifyAudit(ctx, caller(ctx))
	out := client.AuditProof{OK: err == nil, Entries: chain.Seq, Head: chain.Hash}
	var broken *core.Error
	if asCore(err, &broken) && broken.Kind == core.Internal { // so the chain says what is wrong with it
		out.Error = broken.Msg
		return ok(out), nil
	}
	return ok(out), err
}

// keepAlive is how often a watcher hears something, so that both sides notice a dead line.
const keepAlive = 15 * time.Second

// A stream is an answer that goes on.
type stream struct {
	Body func(huma.Context)
}

func (a *API) watch(ctx context.Context, in *struct {
	After  string `query:"after" maxLength:"20" doc:"The sequence number after which to begin; absent: with the next change."`
	LastID string `header:"Last-Event-ID" hidden:"true"`
},
) (*stream, error) {
	after := in.After
	if in.LastID != "" {
		after = in.LastID // a browser that comes back
	}
	from, err := a.head(ctx, after)
	if err != nil {
		return nil, err
	}
	if _, err := a.Engine.Audit(ctx, caller(ctx), from, 1); err != nil {
		return nil, err // refused before the stream begins
	}
	return &stream{Body: func(h huma.Context) {
		_, w := humago.Unwrap(h)
		a.stream(ctx, w, from)
	}}, nil
}

// head reads a sequence number; nothing is the newest there is.
func (a *API) head(ctx context.Context, after string) (int64, error) {
	if after != "" {
		n, err := strconv.ParseInt(after, 10, 64)
		if err != nil || n < 0 {
			return 0, core.Errorf(core.Invalid, "after must be a sequence number").WithHint("it is the seq of an audit entry")
		}
		return n, nil
	}
	var seq int64
	err := a.Engine.Store.Read(ctx, func(v engine.View) (err error) {
		seq, _, err = v.AuditHead()
		return err
	})
	return seq, err
}

// stream writes entries as server-sent events until the caller goes or the server stops.
func (a *API) stream(ctx context.Context, w http.ResponseWriter, from int64) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(stopping(ctx), cancel)()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	line := http.NewResponseController(w)
	send := func(format string, args ...any) error {
		_ = line.SetWriteDeadline(time.Now().Add(keepAlive)) // a recorder in a test has none
		if _, err := fmt.Fprintf(w, format, args...); err != nil {
			return err
		}
		return line.Flush()
	}
	if send(": changes after %d\n\n", from) != nil {
		return
	}
	entries, ended := make(chan core.AuditEntry), make(chan error, 1)
	go func() {
		ended <- a.Engine.Watch(ctx, caller(ctx), from, func(e core.AuditEntry) error {
			select {
			case entries <- e:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	look := time.NewTicker(stillKnown)
	defer look.Stop()
	for {
		var err error
		select {
		case e := <-entries:
			err = send("id: %d\nevent: change\ndata: %s\n\n", e.Seq, oneLine(viewEntry(e)))
		case <-tick.C:
			err = send(": still here\n\n")
		case <-look.C:
			if err = a.stillMay(ctx); err != nil {
				_ = send("event: problem\ndata: %s\n\n", oneLine(a.problem(ctx, err))) // the caller may have gone
			}
		case err = <-ended:
			if ctx.Err() == nil {
				_ = send("event: problem\ndata: %s\n\n", oneLine(a.problem(ctx, err))) // the caller may have gone
			}
			return
		}
		if err != nil {
			return
		}
	}
}

// stillKnown is how often a stream looks whether its caller still is who they were.
const stillKnown = 3 * time.Second

// stillMay refuses a caller whose session has ended, or who was locked, since the call began.
func (a *API) stillMay(ctx context.Context) error {
	who := caller(ctx)
	if who.Session.ID == "" {
		return nil // through the socket
	}
	_, err := a.Engine.Identify(ctx, who.Session.Kind, who.Session.ID, "")
	if core.KindOf(err) == core.Internal || core.KindOf(err) == core.Unavailable {
		return nil // the database does not answer; looked at again soon
	}
	return err
}

func oneLine(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return []byte("{}") // our own structs can always be written
	}
	return b
}
