package pagerduty

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// AccountsOptions configure a set of accounts. Token is required.
type AccountsOptions struct {
	// Token returns the credentials of an account; Reject, if there is one, drops refused ones from a cache.
	Token  func(ctx context.Context, a core.Account) (string, error)
	Reject func(a core.Account, token string)
	// Interest and OnChange are an index's, for an account by name.
	Interest func(account string) []string
	OnChange func(account string, was, now *core.Roster)

	SyncEvery time.Duration
	HTTP      *http.Client // carries the calls of every account
	MinAge    time.Duration
	Now       func() time.Time
	Random    func() float64
	Logger    *slog.Logger
	Observe   func(Call)
	Version   string
	Idle      bool // do not sync in the background: indexes answer only when asked
}

// Accounts are all PagerDuty accounts in use. The account "" is the default one. It is safe
// for concurrent use; Set replaces accounts while others are being asked.
type Accounts struct {
	o AccountsOptions

	setting sync.Mutex // one Set after the other
	mu      sync.RWMutex
	byName  map[string]*entry
	deflt   string
	closed  bool
}

type entry struct {
	account core.Account
	client  *Client
	index   *Index
	stop    func()
}

// NewAccounts builds an empty set.
func NewAccounts(o AccountsOptions) *Accounts {
	return &Accounts{o: o, byName: map[string]*entry{}}
}

// Set makes these the accounts. One that is as it was keeps its index; one that is new or
// changed is read at once. An account that cannot be used at all (core.Invalid) changes nothing.
func (s *Accounts) Set(accounts []core.Account) error {
	s.setting.Lock()
	defer s.setting.Unlock()
	s.mu.RLock()
	old, closed := s.byName, s.closed
	s.mu.RUnlock()
	if closed {
		return core.Errorf(core.Unavailable, "the PagerDuty accounts are closed")
	}
	next := make(map[string]*entry, len(accounts))
	var started []*entry
	for _, a := range accounts {
		if e := old[a.Name]; e != nil && same(e.account, a) {
			next[a.Name] = e
			continue
		}
		e, err := s.open(a)
		if err != nil {
			return err
		}
		next[a.Name] = e
		started = append(started, e)
	}
	s.mu.Lock()
	s.byName, s.deflt = next, defaultOf(accounts)
	s.mu.Unlock()
	for _, e := range started {
		s.start(e)
	}
	for name, e := range old {
		if next[name] != e {
			e.stop()
		}
	}
	return nil
}

// same reports whether an account needs no new client. Being the default changes nothing in it.
func same(a, b core.Account) bool {
	a.Default = b.Default
	return reflect.DeepEqual(a, b)
}

// defaultOf is the account that is marked so, or the only one.
func defaultOf(accounts []core.Account) string {
	for _, a := range accounts {
		if a.Default {
			return a.Name
		}
	}
	if len(accounts) == 1 {
		return accounts[0].Name
	}
	return ""
}

func (s *Accounts) open(a core.Account) (*entry, error) {
	o := Options{
		Account: a, HTTP: s.o.HTTP, Now: s.o.Now, Random: s.o.Random, Logger: s.o.Logger, Observe: s.o.Observe, Version: s.o.Version,
		Token: func(ctx context.Context) (string, error) { return s.o.Token(ctx, a) },
	}
	if s.o.Reject != nil {
		o.Reject = func(token string) { s.o.Reject(a, token) }
	}
	c, err := New(o)
	if err != nil {
		return nil, err
	}
	io := IndexOptions{Client: c, SyncEvery: s.o.SyncEvery, MinAge: s.o.MinAge, Logger: s.o.Logger}
	if s.o.Interest != nil {
		io.Interest = func() []string { return s.o.Interest(a.Name) }
	}
	if s.o.OnChange != nil {
		io.OnChange = func(was, now *core.Roster) { s.o.OnChange(a.Name, was, now) }
	}
	x := NewIndex(io)
	return &entry{account: a, client: c, index: x, stop: x.Close}, nil
}

func (s *Accounts) start(e *entry) {
	if s.o.Idle {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { e.index.Run(ctx) })
	e.stop = func() {
		cancel()
		e.index.Close()
		wg.Wait()
	}
}

// Close stops all indexes. Questions are answered with errors from then on.
func (s *Accounts) Close() {
	s.setting.Lock()
	defer s.setting.Unlock()
	s.mu.Lock()
	all := s.byName
	s.byName, s.closed = map[string]*entry{}, true
	s.mu.Unlock()
	for _, e := range all {
		e.stop()
	}
}

func (s *Accounts) find(name string) (*entry, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.byName) == 0 {
		return nil, core.Errorf(core.Unavailable, "no PagerDuty account is configured").
			WithHint("apply a resource of kind pagerduty_account")
	}
	if name == "" {
		if name = s.deflt; name == "" {
			return nil, core.Errorf(core.Unavailable, "none of the PagerDuty accounts is the default one").
				WithHint("set default: true in one pagerduty_account, or name the account")
		}
	}
	if e := s.byName[name]; e != nil {
		return e, nil
	}
	err := core.Errorf(core.NotFound, "there is no PagerDuty account %q", name)
	if near := core.Nearest(name, slices.Sorted(maps.Keys(s.byName))); near != "" {
		return nil, err.WithHint("did you mean %s?", near)
	}
	return nil, err.WithHint("sallyport get pagerduty_account lists them")
}

// Client returns the client of an account, for calls that have no method here.
func (s *Accounts) Client(account string) (*Client, error) {
	e, err := s.find(account)
	if err != nil {
		return nil, err
	}
	return e.client, nil
}

// Index returns the index of an account.
func (s *Accounts) Index(account string) (*Index, error) {
	e, err := s.find(account)
	if err != nil {
		return nil, err
	}
	return e.index, nil
}

// Roster is Index.Roster.
func (s *Accounts) Roster(ctx context.Context, account string, maxAge time.Duration) (*core.Roster, error) {
	e, err := s.find(account)
	if err != nil {
		return nil, err
	}
	return e.index.Roster(ctx, maxAge)
}

// AtHand returns the last roster that is known of an account, without asking; nil where there is none.
func (s *Accounts) AtHand(account string) *core.Roster {
	e, err := s.find(account)
	if err != nil {
		return nil
	}
	return e.index.roster.Load()
}

// Refresh is Index.Refresh: for a name or an address that the roster does not know.
func (s *Accounts) Refresh(ctx context.Context, account string) error {
	e, err := s.find(account)
	if err != nil {
		return err
	}
	return e.index.Refresh(ctx)
}

// Probe is Index.Probe: for an account whose secret has changed.
func (s *Accounts) Probe(account string) error {
	e, err := s.find(account)
	if err != nil {
		return err
	}
	e.index.Probe()
	return nil
}

// ServiceID is Index.ServiceID.
func (s *Accounts) ServiceID(ctx context.Context, account, name string) (string, error) {
	e, err := s.find(account)
	if err != nil {
		return "", err
	}
	return e.index.ServiceID(ctx, name)
}

// FindIncident is Client.IncidentByKey.
func (s *Accounts) FindIncident(ctx context.Context, account, serviceID, key string) (*Incident, error) {
	e, err := s.find(account)
	if err != nil {
		return nil, err
	}
	return e.client.IncidentByKey(ctx, serviceID, key)
}

// CreateIncident is Client.CreateIncident, from our own record of the incident.
func (s *Accounts) CreateIncident(ctx context.Context, account string, in core.Incident) (Incident, error) {
	e, err := s.find(account)
	if err != nil {
		return Incident{}, err
	}
	if in.ServiceID == "" {
		if in.ServiceID, err = e.index.ServiceID(ctx, in.Service); err != nil {
			return Incident{}, err
		}
	}
	return e.client.CreateIncident(ctx, NewIncident{ServiceID: in.ServiceID, Key: in.Key, Title: in.Title, Details: in.Details})
}

// ResolveIncident is Client.ResolveIncident.
func (s *Accounts) ResolveIncident(ctx context.Context, account, id string) error {
	e, err := s.find(account)
	if err != nil {
		return err
	}
	return e.client.ResolveIncident(ctx, id)
}

// Notes is Client.Notes.
func (s *Accounts) Notes(ctx context.Context, account, id string) ([]string, error) {
	e, err := s.find(account)
	if err != nil {
		return nil, err
	}
	return e.client.Notes(ctx, id)
}

// AddNote is Client.AddNote.
func (s *Accounts) AddNote(ctx context.Context, account, id, text string) error {
	e, err := s.find(account)
	if err != nil {
		return err
	}
	return e.client.AddNote(ctx, id, text)
}

// Status tells how every account is doing, by name.
func (s *Accounts) Status() []Status {
	s.mu.RLock()
	all := slices.Collect(maps.Values(s.byName))
	s.mu.RUnlock()
	out := make([]Status, len(all))
	for i, e := range all {
		out[i] = e.index.Status()
	}
	slices.SortFunc(out, func(a, b Status) int { return strings.Compare(a.Account, b.Account) })
	return out
}
