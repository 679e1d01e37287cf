package engine

import (
	"context"
	"time"

	"github.com/sallyport/sallyport/internal/connector"
	"github.com/sallyport/sallyport/internal/core"
)

// A Store keeps the state.
//
// Writes are serial across all replicas: a write transaction sees everything that was
// committed before it, and nothing happens beside it. Concurrent writers share commits;
// each gets its own outcome, and one that fails undoes only itself.
type Store interface {
	// Write runs fn in a write transaction and returns once its effects are on disk.
	// fn must not call anything outside, and must not keep tx.
	Write(ctx context.Context, fn func(Tx) error) error
	// Read runs fn on a consistent snapshot.
	Read(ctx context.Context, fn func(View) error) error
	// Glance is Read for a single question, and cheaper.
	Glance(ctx context.Context, fn func(View) error) error
}

// A View reads.
type View interface {
	// Documents: the resources that people apply.

	// Revision is a number that grows with every change of a document.
	Revision() (int64, error)
	Document(kind, name string) (core.Document, error) // core.NotFound
	Documents(kind string) ([]core.Document, error)    // "" means every kind; by kind and name

	Request(id string) (core.Request, error) // core.NotFound
	Requests(q RequestQuery) ([]core.Request, error)
	Grant(id string) (core.Grant, error)
	Grants(q GrantQuery) ([]core.Grant, error)
	Holding(e core.Entitlement) (Holding, error) // the zero Holding where there is none
	Incident(id string) (core.Incident, error)
	Incidents(q IncidentQuery) ([]core.Incident, error)
	Pin(user, account string) (Pin, error)                   // the zero Pin where there is none
	PinOf(account, pagerDutyUserID string) (Pin, error)      // the zero Pin where there is none
	Audit(after int64, limit int) ([]core.AuditEntry, error) // in order
	AuditHead() (seq int64, hash string, err error)
	AuditEntries(q AuditQuery) ([]core.AuditEntry, error)
	Mark(name string) (Mark, error)                                          // the zero Mark where there is none
	Answer(key string) (Answer, error)                                       // the zero Answer where there is none
	Credential(kind core.CredentialKind, id string) (core.Credential, error) // core.NotFound
	Credentials(q CredentialQuery) ([]core.Credential, error)                // the oldest first
}

// A Tx reads and writes.
type Tx interface {
	View
	// Vital says, before anything is written, that this transaction ends access. When the disk
	// is full only such transactions are written, in room that is kept back for them.
	Vital()
	PutDocument(d core.Document) error // also moves Revision
	DeleteDocument(kind, name string) error
	PutRequest(r core.Request) error // with its reviews
	PutGrant(g core.Grant) error
	PutHolding(h Holding) error
	DeleteHolding(e core.Entitlement) error
	PutIncident(i core.Incident) error // with its notes
	PutPin(p Pin) error
	DeletePin(user, account string) error
	PutAnswer(a Answer) error
	DeleteAnswers(before time.Time) error
	PutCredential(c core.Credential) error
	DeleteCredential(kind core.CredentialKind, id string) error // core.NotFound
	DeleteCredentials(by time.Time) error                       // those that expire at or before
	PutMark(m Mark) error
	// Append adds an entry to the audit chain; it fills Seq, Prev and Hash.
	Append(e core.AuditEntry) error
	// Enqueue commits a durable job with the transaction.
	Enqueue(j core.Job) error
}

// A RequestQuery selects requests, newest first. Zero fields select everything.
type RequestQuery struct {
	User      string
	State     core.RequestState
	ExpiresBy time.Time // pending ones that expire at or before
	After     string    // the id of the last one seen
	Limit     int       // zero: 1,000
}

// unlimited is the limit of a query that wants everything there is.
const unlimited = 1 << 30

// The states of grants that want their access, and of those that something is to be done about besides.
var (
	heldStates = []core.GrantState{core.GrantPending, core.GrantActive}
	openStates = []core.GrantState{core.GrantPending, core.GrantActive, core.GrantEnding}
)

// A GrantQuery selects grants; by EndsAt where EndsBy is set, else newest first. Zero fields select everything.
type GrantQuery struct {
	RequestID    string
	User         string
	Target       string
	Entitlement  core.Entitlement // zero: any
	States       []core.GrantState
	EndsBy       time.Time // active ones that end at or before
	UntilOffCall bool      // only those bound to a shift
	After        string
	Limit        int // zero: 1,000
}

// An IncidentQuery selects incidents, newest first. Zero fields select everything.
type IncidentQuery struct {
	RequestID  string
	Unfinished bool      // only those with something left to do at PagerDuty
	RetryBy    time.Time // with Unfinished: only those due at or before
	After      string
	Limit      int // zero: 1,000
}

// A CredentialQuery selects credentials by one of its fields; the first that is set counts.
type CredentialQuery struct {
	User   string
	Author string
	Kind   core.CredentialKind
}

// An AuditQuery selects audit entries, in order or newest first. Zero fields select everything.
type AuditQuery struct {
	Actor   string
	Action  string // what it begins with
	Subject string
	Since   time.Time // at or after
	Until   time.Time // before
	After   int64     // the last one seen
	Newest  bool
	Limit   int // zero: 1,000
}

// A Mark is how far somebody has come along the audit log: whoever makes checkpoints, or takes
// the log to one place outside. It is kept for all replicas, of which one works at a time.
type Mark struct {
	Name       string // "checkpoint", "export https://siem.example.com/in"
	Seq        int64  // of the last entry done
	At         time.Time
	Body       string // the last checkpoint
	Error      string // the last trouble; empty: none since
	Owner      string // the replica that works on it
	OwnedUntil time.Time
}

// A Holding is what we know of one entitlement on its target.
//
// It is written before the first effect, so that after a crash access that we gave is
// never taken for access that was there before.
type Holding struct {
	core.Entitlement
	Fresh       bool      // not yet asked whether the access was there before us
	PreExisting bool      // it was there before us; it is never removed
	Owner       string    // who works on it now; empty: nobody
	OwnedUntil  time.Time // after this the owner is taken for dead
	RetryAt     time.Time // do not try before; zero: at once
	Failures    int       // in a row
	Error       string    // the last trouble
}

// A Pin ties a user to one PagerDuty user for good; changing it takes an administrator.
type Pin struct {
	User, Account   string
	PagerDutyUserID string
	Email           string // the address by which the match was made
	PinnedAt        time.Time
}

// An Answer is what an idempotency key was answered with.
type Answer struct {
	Key       string // caller and key
	Digest    string // of the request body
	Status    int
	Body      string
	CreatedAt time.Time
}

// OnCall tells who is on call.
type OnCall interface {
	// Roster returns what an account knows about duties. When that is older than maxAge,
	// PagerDuty is asked first, once for all who wait. An error of kind core.Unavailable
	// means that nothing fresh enough is to be had; the last roster known, which may be
	// nil, comes with it.
	Roster(ctx context.Context, account string, maxAge time.Duration) (*core.Roster, error)
	// AtHand returns the last roster known, however old it is, and asks nobody; nil where there is none.
	AtHand(account string) *core.Roster
}

// A Pager opens and resolves PagerDuty incidents. Errors of kind core.Unavailable are worth
// another try; one that knows when says so by a method RetryIn() time.Duration.
type Pager interface {
	ServiceID(ctx context.Context, account, name string) (string, error) // core.NotFound
	// FindIncident looks an incident up by key on a service, whatever its status; nil where there is none.
	FindIncident(ctx context.Context, account, serviceID, key string) (*PagerIncident, error)
	CreateIncident(ctx context.Context, account string, in core.Incident) (PagerIncident, error)
	ResolveIncident(ctx context.Context, account, id string) error // resolving what is resolved is no error
	Notes(ctx context.Context, account, id string) ([]string, error)
	AddNote(ctx context.Context, account, id, text string) error
}

// A PagerIncident is an incident as PagerDuty shows it.
type PagerIncident struct {
	ID, URL, Status string
}

// An Authority issues the certificates of callers. It is the server's own.
type Authority interface {
	NewSerial() string // random, 128 bits in hex
	// Issue returns a certificate in PEM, for the key of a certificate request in PEM. A request
	// that does not prove that its sender has the key is core.Invalid.
	Issue(user, serial string, request []byte, from, until time.Time) ([]byte, error)
	// Bundle returns the certificates of the authority in PEM, and the pin of the newest.
	Bundle() (bundle []byte, pin string)
}

// Targets finds the connector of a target.
type Targets interface {
	Provisioner(ctx context.Context, target string) (connector.Provisioner, error) // core.NotFound
}

// A Clock tells the time. It never runs backwards.
type Clock interface{ Now() time.Time }

// Jobs runs verbs after their transaction is committed.
type Jobs interface {
	// Kick runs a job in this process as soon as it can. The durable copy stays as the backstop.
	Kick(j core.Job)
	// Wake asks for a sweep at a time; the earliest asked for counts.
	Wake(at time.Time)
}
