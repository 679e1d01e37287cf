package engine

import (
	"cmp"
	"context"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// How old the list of PagerDuty users may be by which people are told apart, and how long a
// review waits for one where there is none. Addresses change rarely.
const (
	rosterForPeople = 24 * time.Hour
	waitForPeople   = 2 * time.Second
)

// peopleAtPagerDuty gets what every account knows of its users, before the transaction. Where
// PagerDuty cannot be asked, what is pinned has to do.
func (e *Engine) peopleAtPagerDuty(ctx context.Context) ([]*core.Roster, error) {
	accounts, err := e.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, waitForPeople)
	defer cancel()
	var out []*core.Roster
	for _, a := range accounts {
		if roster, _ := e.OnCall.Roster(ctx, a.Name, rosterForPeople); roster != nil { // an old one will do
			out = append(out, roster)
		}
	}
	return out, nil
}

// onePagerUser refuses a reviewer who is, at PagerDuty, who asked for the request or has
// reviewed it: names and addresses can be changed, and PagerDuty's ids cannot.
func (e *Engine) onePagerUser(v View, dir *core.Directory, rosters []*core.Roster, reviewer string, r core.Request) error {
	for _, roster := range rosters {
		own, err := pagerUser(v, dir, roster, reviewer)
		if err != nil {
			return err
		}
		if own == "" {
			continue
		}
		others := []string{r.User, r.Author}
		for _, review := range r.Reviews {
			others = append(others, review.Author)
		}
		for i, other := range others {
			if other == reviewer {
				continue // who has better words for it
			}
			id, err := pagerUser(v, dir, roster, other)
			if err != nil {
				return err
			}
			if id != own {
				continue
			}
			if i < 2 {
				return core.Errorf(core.Refused, "%s and %s are the same PagerDuty user, %s; nobody reviews their own request", reviewer, other, own).
					WithHint("somebody else has to review it")
			}
			return core.Errorf(core.Refused, "%s and %s are the same PagerDuty user, %s, who has already reviewed this request", reviewer, other, own).
				WithHint("two reviews by one person count once; somebody else has to review it")
		}
	}
	return nil
}

// pagerUser is the id of a user at PagerDuty: the pinned one, else the one that their address
// leads to; empty: none is known.
func pagerUser(v View, dir *core.Directory, roster *core.Roster, user string) (string, error) {
	pin, err := v.Pin(user, roster.Account)
	if err != nil || pin.PagerDutyUserID != "" {
		return pin.PagerDutyUserID, err
	}
	u, known := dir.User(user)
	if !known {
		return "", nil
	}
	person, _ := roster.UserByEmail(cmp.Or(u.PagerDutyEmail(), user))
	return person.ID, nil
}
