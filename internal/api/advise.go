package api

import (
	"fmt"
	"strings"

	"github.com/sallyport/sallyport/internal/core"
)

// fewNames is how many reviewers are named.
const fewNames = 5

// advise says what to do next.
func (e *explainer) advise() {
	switch e.s.State {
	case core.Pending:
		e.advisePending()
	case core.Approved:
		e.adviseAccess()
	default:
		e.todo("ask anew where the access is still needed: %s", e.again())
	}
}

func (e *explainer) advisePending() {
	switch ev := e.s.Evaluation; ev.Outcome {
	case "":
		e.todo("wait a moment: the on-call reviewer looks at it within seconds")
	case core.OutcomeWait:
		e.todo("wait: it is tried again when PagerDuty answers; people can decide meanwhile")
	case core.OutcomeApprove, core.OutcomePeople:
	}
	if len(e.reviewers) == 0 {
		e.todo("no user here may review this; an administrator decides on the server's own host: sallyport request approve %s", e.s.ID)
		return
	}
	e.todo("ask a reviewer: %s; they decide with: sallyport request approve %s", some(e.reviewers), e.s.ID)
	if mayComeOnCall(e.s.Evaluation) {
		e.todo("nothing, if a shift of yours begins: once on call, it is looked at again by itself")
	}
}

func (e *explainer) adviseAccess() {
	for _, g := range e.s.Grants {
		switch {
		case g.State == core.GrantActive:
			e.todo("when more time is needed: sallyport grant extend %s --for 1h", g.ID)
			return
		case g.State == core.GrantPending && g.Error != "":
			e.todo("nothing: it is tried again by itself; if it lasts, an administrator looks with: sallyport doctor")
			return
		case g.State == core.GrantPending:
			e.todo("wait: the access is on its way")
			return
		case g.State == core.GrantFailed:
			e.todo("show this to an administrator; once it is mended, ask anew: %s", e.again())
			return
		}
	}
	e.todo("ask anew where the access is still needed: %s", e.again())
}

// again is the command that asks for the same.
func (e *explainer) again() string {
	if len(e.s.Resources) > 0 {
		return "sallyport request create --resources " + strings.Join(list(e.s.Resources, core.Resource.String), ",") + " --reason …"
	}
	return "sallyport request create --roles " + strings.Join(e.s.Roles, ",") + " --reason …"
}

// some names a few.
func some(names []string) string {
	if len(names) > fewNames {
		return fmt.Sprintf("%s or %d others", strings.Join(names[:fewNames], ", "), len(names)-fewNames)
	}
	if len(names) > 1 {
		return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
	}
	return names[0]
}

// mayComeOnCall tells whether it is only a shift that the requester lacks.
func mayComeOnCall(ev core.Evaluation) bool {
	lacks := false
	for _, r := range ev.Reasons {
		if r.OK {
			continue
		}
		if r.Check != "on call" {
			return false
		}
		lacks = lacks || strings.Contains(r.Text, "is not on call for")
	}
	return lacks && ev.Outcome == core.OutcomePeople
}
