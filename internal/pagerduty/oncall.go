package pagerduty

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// An OnCall is one entry of /oncalls: a person on one level of one escalation policy, for
// one stretch of time. A person who stands on a policy directly has neither schedule nor times.
type OnCall struct {
	User     Ref    `json:"user"`
	Schedule *Ref   `json:"schedule"`
	Policy   Ref    `json:"escalation_policy"`
	Level    int    `json:"escalation_level"`
	Start    moment `json:"start"`
	End      moment `json:"end"`
}

// A moment is a time that may be null. PagerDuty's specification: a null start is a permanent
// duty, a null end never comes. A field that is missing is neither, and not understood.
type moment struct {
	time.Time
	given bool
}

// UnmarshalJSON reads RFC 3339, or null.
func (m *moment) UnmarshalJSON(b []byte) error {
	m.given = true
	if string(b) == "null" {
		return nil
	}
	return json.Unmarshal(b, &m.Time)
}

// key tells entries apart, which have no ids; "" where an entry is not understood.
func (o OnCall) key() string {
	if o.User.ID == "" || !o.Start.given || !o.End.given || (o.Policy.ID == "" && o.Schedule == nil) {
		return ""
	}
	if o.Schedule != nil && o.Schedule.ID == "" {
		return ""
	}
	return fmt.Sprint(o.Policy.ID, "|", o.Level, "|", o.User.ID, "|", o.scheduleID(), "|", o.Start.Unix(), "|", o.End.Unix())
}

func (o OnCall) scheduleID() string {
	if o.Schedule == nil {
		return ""
	}
	return o.Schedule.ID
}

// An OnCallQuery selects on-calls. Zero fields select everything; zero times mean now.
type OnCallQuery struct {
	Policies, Users, Schedules []string
	Since, Until               time.Time
}

// OnCalls lists who is on call, over all pages. It is the one endpoint that PagerDuty
// documents for both kinds of schedules, but it knows only those on an escalation policy.
func (c *Client) OnCalls(ctx context.Context, q OnCallQuery) ([]OnCall, error) {
	l, err := c.onCalls(ctx, laneRead, q)
	return l.items, err
}

func (c *Client) onCalls(ctx context.Context, ln lane, q OnCallQuery) (list[OnCall], error) {
	v := url.Values{"time_zone": {"UTC"}}
	if !q.Since.IsZero() {
		v.Set("since", stamp(q.Since))
	}
	if !q.Until.IsZero() {
		v.Set("until", stamp(q.Until))
	}
	for name, ids := range map[string][]string{"escalation_policy_ids[]": q.Policies, "user_ids[]": q.Users, "schedule_ids[]": q.Schedules} {
		if len(ids) > 0 {
			v[name] = ids
		}
	}
	return readAll(ctx, c, listing{path: "/oncalls", key: "oncalls", query: v, lane: ln, alone: true}, OnCall.key)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// A Shift is one person's time on one schedule.
type Shift struct {
	UserID     string
	Start, End time.Time
}

// ScheduleOnCall lists who works on a schedule in a window, several people at once where it is
// so. It works for both kinds: the v3 endpoint answers 400 or 404 for a v2 schedule, and the
// other way round.
func (c *Client) ScheduleOnCall(ctx context.Context, id string, since, until time.Time) ([]Shift, error) {
	return c.shifts(ctx, laneRead, id, since, until, true)
}

// shifts asks the endpoint of the likelier kind first. Where both refuse, the second answer counts.
func (c *Client) shifts(ctx context.Context, ln lane, id string, since, until time.Time, v3 bool) ([]Shift, error) {
	ask, other := c.shiftsV2, c.shiftsV3
	if v3 {
		ask, other = other, ask
	}
	found, err := ask(ctx, ln, id, since, until)
	if e, ok := AsError(err); ok && (e.Status == http.StatusBadRequest || e.Status == http.StatusNotFound) {
		return other(ctx, ln, id, since, until)
	}
	return found, err
}

func (c *Client) shiftsV2(ctx context.Context, ln lane, id string, since, until time.Time) ([]Shift, error) {
	var out struct {
		Schedule struct {
			Final *struct {
				Entries []struct {
					User  *Ref   `json:"user"`
					Start moment `json:"start"`
					End   moment `json:"end"`
				} `json:"rendered_schedule_entries"`
			} `json:"final_schedule"`
		} `json:"schedule"`
	}
	k := c.scheduleCall(ln, "/schedules", id, since, until)
	if err := c.do(ctx, k, &out); err != nil {
		return nil, err
	}
	if out.Schedule.Final == nil || out.Schedule.Final.Entries == nil {
		return nil, c.odd(k, "the answer has no final schedule")
	}
	var found []Shift
	for _, e := range out.Schedule.Final.Entries {
		if e.User != nil && e.User.ID != "" && e.End.given {
			found = append(found, Shift{UserID: e.User.ID, Start: e.Start.Time, End: e.End.Time})
		}
	}
	return found, nil
}

func (c *Client) shiftsV3(ctx context.Context, ln lane, id string, since, until time.Time) ([]Shift, error) {
	var out struct {
		Schedule struct {
			Final *struct {
				Assignments []struct {
					Start  moment `json:"start_time"`
					End    moment `json:"end_time"`
					Member struct {
						Type   string `json:"type"` // "empty_member" is a slot for nobody
						UserID string `json:"user_id"`
					} `json:"member"`
				} `json:"computed_shift_assignments"`
			} `json:"final_schedule"`
		} `json:"schedule"`
	}
	k := c.scheduleCall(ln, "/v3/schedules", id, since, until)
	k.query.Set("include[]", "final_schedule")
	if err := c.do(ctx, k, &out); err != nil {
		return nil, err
	}
	if out.Schedule.Final == nil || out.Schedule.Final.Assignments == nil {
		return nil, c.odd(k, "the answer has no final schedule")
	}
	var found []Shift
	for _, a := range out.Schedule.Final.Assignments {
		if a.Member.Type == "user_member" && a.Member.UserID != "" && a.End.given {
			found = append(found, Shift{UserID: a.Member.UserID, Start: a.Start.Time, End: a.End.Time})
		}
	}
	return found, nil
}

// scheduleCall asks with overflow, so that shifts keep their true ends instead of the window's.
func (c *Client) scheduleCall(ln lane, path, id string, since, until time.Time) call {
	q := url.Values{"since": {stamp(since)}, "until": {stamp(until)}, "overflow": {"true"}, "time_zone": {"UTC"}}
	return call{op: "GET " + path + "/{id}", path: path + "/" + url.PathEscape(id), query: q, lane: ln, alone: true}
}
