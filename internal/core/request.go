package core

import "time"

// A RequestState is where a request stands.
//
//	PENDING ─► APPROVED | DENIED | EXPIRED | CANCELLED | PROMOTED
//
// Everything right of the arrow is final.
type RequestState string

// The states of a request. Promoted is known for Teleport's sake: plain reviews cannot reach it here.
const (
	Pending   RequestState = "PENDING"
	Approved  RequestState = "APPROVED"
	Denied    RequestState = "DENIED"
	Expired   RequestState = "EXPIRED"
	Cancelled RequestState = "CANCELLED"
	Promoted  RequestState = "PROMOTED"
)

// A Request is one person asking for roles or resources, with a reason and a duration.
//
// The rules that decide it are frozen into it when it is made: later edits of roles do not change it.
type Request struct {
	ID          string
	User        string // who shall have the access
	Author      string // who asked; differs from User only where an administrator asked for somebody
	Roles       []string
	Resources   []Resource
	Reason      string
	State       RequestState
	CreatedAt   time.Time
	ExpiresAt   time.Time     // when it ends undecided
	Duration    time.Duration // of the access, from the moment it is active
	StartAt     time.Time     // not before; zero: at once
	Annotations map[string][]string
	Thresholds  []Threshold
	Sets        map[string][][]int    // requested role → sets of indexes into Thresholds
	Rules       []ApprovalRule        // frozen
	Gives       map[string][]Resource // requested role → the resources it gives, frozen
	Reviews     []Review
	Evaluation  Evaluation // the newest answer of the on-call reviewer
	Decision    *Decision  // nil while pending
	Extends     string     // the grant that this request would lengthen; empty for new access
	Suggested   []string   // reviewers whom the granting roles suggest; they need not be able to review
}

// An ApprovalRule is one way for the on-call reviewer to approve: the annotations of one
// granting role, kept together, for the roles that this role grants.
type ApprovalRule struct {
	Origin             string   // "role demo-role-requester"
	Roles              []string // the requested roles it speaks for
	OnCall             *OnCallRule
	Notify             []string // PagerDuty services to open an incident on
	UntilOffCall       bool
	Grace              time.Duration
	KeepDuringIncident bool
}

// A Review is one opinion on a request.
type Review struct {
	Author    string
	Human     string // the person behind the author: a bot's owner, else the author
	State     RequestState
	Reason    string
	CreatedAt time.Time
	CountsFor []int // indexes into the request's Thresholds
}

// A Reason is one condition that was looked at, and what came of it.
type Reason struct {
	Check string // what was asked: "on call", "review", "override"
	OK    bool
	Text  string // in words that the requester can read
}

// An Evaluation is one run of the on-call reviewer over a request.
type Evaluation struct {
	At       time.Time
	Outcome  Outcome
	Reasons  []Reason
	Evidence []Evidence
	Rules    []ApprovalRule // those whose on-call condition held
}

// An Outcome is what the on-call reviewer made of a request.
type Outcome string

// The outcomes. The empty one means that it has not looked yet.
const (
	OutcomeApprove Outcome = "approve"
	OutcomePeople  Outcome = "people" // it is for people
	OutcomeWait    Outcome = "wait"   // PagerDuty cannot be asked now; it is for people, and tried again
)

// A Decision is how a request ended.
type Decision struct {
	State    RequestState
	At       time.Time
	By       string // who brought it about
	Override bool   // an administrator went around the thresholds
	Reasons  []Reason
	Evidence []Evidence
	Rules    []ApprovalRule // the rules whose on-call condition held; they bind the grants
}
