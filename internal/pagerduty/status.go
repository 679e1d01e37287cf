package pagerduty

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// A Status is how an index is doing, for readiness, metrics and doctor.
type Status struct {
	Account   string
	LastSync  time.Time     // when the newest duties were asked for; zero: never
	Age       time.Duration // of the duties; zero where there are none
	LastError error         // of the last read of duties or of the directory; nil: all is well
	NextTry   time.Time
	Users     int
	Services  int
	Schedules int
	Duties    int
	Skipped   int      // items of PagerDuty's answers that were not understood
	Missing   []string // what the plan or the key does not let us read, with the reason
	Cut       bool     // the account is larger than PagerDuty's paging reaches
	Calls     int64    // since the start
	Budget    Budget
}

// Status tells how the index is doing.
func (x *Index) Status() Status {
	now := x.now()
	s := Status{Account: x.c.account.Name, Calls: x.c.Calls(), Budget: x.c.Budget(), NextTry: x.dutiesDue()}
	_, dirErr := x.directory.state()
	notBefore, err := x.duties.state()
	if s.LastError = err; err == nil {
		s.LastError = dirErr
	}
	if err != nil && notBefore.After(s.NextTry) {
		s.NextTry = notBefore
	}
	if d := x.dir.Load(); d != nil {
		s.Users, s.Services, s.Schedules, s.Skipped, s.Cut = len(d.users), len(d.services), len(d.schedules), d.skipped, d.cut
		s.Missing = slices.Clone(d.missing)
	}
	if v := x.snap.Load(); v != nil {
		s.LastSync, s.Duties, s.Skipped = v.fetchedAt, len(v.duties), s.Skipped+v.skipped
		s.Missing = append(s.Missing, v.missing...)
	}
	if r := x.roster.Load(); r != nil {
		s.Age = max(now.Sub(r.FetchedAt), 0)
	}
	return s
}

// Sync reads the duties now and returns once OnChange has been told.
func (x *Index) Sync(ctx context.Context) error {
	asked := x.now()
	for range 2 {
		f := x.duties.ask()
		if err := f.wait(ctx); err != nil {
			return err
		}
		select {
		case <-f.told:
		case <-ctx.Done():
			return ctx.Err()
		}
		if s := x.snap.Load(); s != nil && !s.fetchedAt.Before(asked) {
			return nil
		}
	}
	return nil
}

// Refresh reads the directory again, unless that was done within the last 15 s.
func (x *Index) Refresh(ctx context.Context) error {
	if d := x.dir.Load(); d != nil && x.now().Sub(d.fetchedAt) < directoryPause {
		return nil
	}
	return x.directory.ask().wait(ctx)
}

// Probe lets the next call go out at once, after credentials have changed.
func (x *Index) Probe() {
	x.c.budget.forgive()
	x.directory.forgive()
	x.duties.forgive()
}

// ServiceID finds a service by its exact name or its id. One that is not known is looked for
// once more in PagerDuty before it is core.NotFound.
func (x *Index) ServiceID(ctx context.Context, name string) (string, error) {
	name = strings.TrimSpace(name)
	if d := x.dir.Load(); d != nil && d.service[name] != "" {
		return d.service[name], nil
	}
	if err := x.Refresh(ctx); err != nil {
		return "", unavailable(err, "look up the PagerDuty service %q", name)
	}
	d := x.dir.Load()
	if id := d.service[name]; id != "" {
		return id, nil
	}
	if d.cut {
		s, err := x.c.ServiceByName(ctx, name)
		if err == nil || core.KindOf(err) != core.NotFound {
			return s.ID, err
		}
	}
	e := core.Errorf(core.NotFound, "PagerDuty account %s has no service %q", x.c.account.Name, name)
	if near := core.Nearest(name, d.serviceNames()); near != "" {
		return "", e.WithHint("did you mean %s? Names are exact and case-sensitive", near)
	}
	return "", e.WithHint("names are exact and case-sensitive; ids work too")
}

// unavailable says what an error kept from being done. A caller that stopped waiting got no
// answer, which is the same to whoever reads the error.
func unavailable(err error, format string, args ...any) error {
	inner, ok := asCore(err)
	e := core.Errorf(core.Unavailable, format+": %w", append(args, err)...)
	if ok {
		e.Kind = inner.Kind
		return e.WithHint("%s", inner.Hint)
	}
	return e
}

func asCore(err error) (*core.Error, bool) {
	var e *core.Error
	ok := errors.As(err, &e)
	return e, ok
}
