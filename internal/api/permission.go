package api

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/internal/core"
)

// permissionExtension is where a route's rule stands in the OpenAPI description.
const permissionExtension = "x-sallyport-permission"

// A permission is the rule of a route: who may call it. It is a promise, which a test holds to
// what happens; the engine alone decides.
type permission struct {
	Who      string   `json:"who"`                // one of the words below
	Resource string   `json:"resource,omitempty"` // what the role's rule has to name; {kind}: the kind in the path or the body
	Verbs    []string `json:"verbs,omitempty"`

	Reviewers bool `json:"reviewers,omitempty"` // also whoever may review the request
}

// Who may call a route.
const (
	whoOpen      = "open"      // everybody, known or not
	whoBots      = "bots"      // a bot, by the certificate that it has
	whoAnyone    = "anyone"    // whoever is known and not locked
	whoOwn       = "own"       // anyone for what is theirs; for others' things the verb is needed
	whoReviewers = "reviewers" // whom allow.review_requests of a role of theirs lets
	whoNeeds     = "needs"     // whose roles allow the verb on the resource
)

var permissionVerbs = []string{core.VerbList, core.VerbRead, core.VerbCreate, core.VerbUpdate, core.VerbDelete}

// needs lets in whose roles allow the verbs on the resource.
func (r route) needs(resource string, verbs ...string) route {
	r.rule = permission{Who: whoNeeds, Resource: resource, Verbs: verbs}
	return r
}

// own lets everybody have what is theirs, and others' things as needs does.
func (r route) own(resource string, verbs ...string) route {
	r.rule = permission{Who: whoOwn, Resource: resource, Verbs: verbs}
	return r
}

// reviewers lets in whom the review rules of their roles let.
func (r route) reviewers() route { r.rule = permission{Who: whoReviewers}; return r }

// orReviewers lets in whoever may review the request as well.
func (r route) orReviewers() route { r.rule.Reviewers = true; return r }

// anyone lets in every caller who is known.
func (r route) anyone() route { r.rule = permission{Who: whoAnyone}; return r }

// open lets in everybody, known or not: what the route needs instead is for the engine.
func (r route) open() route { r.rule = permission{Who: whoOpen}; return r }

// bots lets in bots with a certificate.
func (r route) bots() route { r.rule = permission{Who: whoBots}; return r }

// check refuses a route whose rule is missing or says nothing.
func (p permission) check(op string) error {
	named := p.Resource != "" && len(p.Verbs) > 0
	for _, v := range p.Verbs {
		named = named && slices.Contains(permissionVerbs, v)
	}
	switch p.Who {
	case whoOpen, whoBots, whoAnyone, whoReviewers:
		return nil
	case whoOwn, whoNeeds:
		if named {
			return nil
		}
		return fmt.Errorf("route %s: its permission names no resource, or no verb that there is", op)
	}
	return fmt.Errorf("route %s declares no permission: add .needs, .own, .reviewers, .anyone, .bots or .open", op)
}

// String says the rule in a few words, as the reference page has it.
func (p permission) String() string {
	verbs := make([]string, len(p.Verbs))
	for i, v := range p.Verbs {
		verbs[i] = "`" + v + "`"
	}
	rule := strings.Join(verbs, " or ") + " on `" + p.Resource + "`"
	switch p.Who {
	case whoOwn:
		if p.Reviewers {
			return "one's own, and what one may review; others': " + rule
		}
		return "one's own; others': " + rule
	case whoNeeds:
		return rule
	case whoOpen:
		return "everybody"
	case whoBots:
		return "bots, by their certificate"
	case whoReviewers:
		return "`review_requests` of a role"
	default:
		return "anyone signed in"
	}
}
