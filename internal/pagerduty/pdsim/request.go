package pdsim

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// obj is a JSON object on its way out.
type obj = map[string]any

// A request is a REST call whose caller is known.
type request struct {
	*http.Request
	body      []byte
	values    url.Values
	caller    credential
	requester *User // who acts, where that is known
	now       time.Time
}

// plain asks for nothing to be included: what include[] puts into an answer
// includes nothing itself.
var plain = &request{}

// An answer is what an operation says when all is well.
type answer struct {
	status int
	body   any // nil: nothing
}

func ok(body any) (answer, error)      { return answer{http.StatusOK, body}, nil }
func created(body any) (answer, error) { return answer{http.StatusCreated, body}, nil }
func empty(status int) (answer, error) { return answer{status: status}, nil }

// read decodes the body. PagerDuty ignores members that it does not know.
func (q *request) read(into any) error {
	if err := json.Unmarshal(q.body, into); err != nil {
		return invalid("The request body is not the JSON that this operation takes: %v", err)
	}
	return nil
}

func (q *request) query(name string) string { return q.values.Get(name) }

// list returns the values of an array such as user_ids[].
func (q *request) list(name string) []string { return q.values[name+"[]"] }

// includes reports whether include[] asks for name.
func (q *request) includes(name string) bool { return slices.Contains(q.list("include"), name) }

func (q *request) flag(name string) bool { return q.query(name) == "true" }

// moment reads a time parameter; the zero time when it is absent.
func (q *request) moment(name string) (time.Time, error) {
	text := q.query(name)
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, invalid("Invalid %s: %q is not an ISO 8601 moment", name, text)
}

// window reads since and until.
func (q *request) window() (since, until time.Time, err error) {
	if since, err = q.moment("since"); err != nil {
		return
	}
	until, err = q.moment("until")
	return
}

// zone reads time_zone, in which the answer's times are to stand.
func (q *request) zone() (*time.Location, error) {
	name := q.query("time_zone")
	if name == "" {
		return time.UTC, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, invalid("Invalid time_zone %q", name)
	}
	return zone, nil
}

// wanted reports whether a filter lets one of ids through. No filter lets all through.
func wanted(filter []string, ids ...string) bool {
	return len(filter) == 0 || slices.ContainsFunc(ids, func(id string) bool { return slices.Contains(filter, id) })
}

// named reports whether one of names contains the query, whatever the case.
func named(query string, names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.Contains(strings.ToLower(n), strings.ToLower(query)) })
}

// number reads an integer parameter of at least least.
func (q *request) number(name string, fallback, least int) (int, error) {
	text := q.query(name)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least {
		return 0, invalid("Invalid %s: %q", name, text)
	}
	return n, nil
}

// A page is classic paging: PagerDuty's "Pagination" page.
type page struct{ limit, offset int }

// page reads limit and offset. A limit above the most is the most.
func (q *request) page(limit, most int) (page, error) {
	n, err := q.number("limit", limit, 1)
	if err != nil {
		return page{}, err
	}
	offset, err := q.number("offset", 0, 0)
	if err != nil {
		return page{}, err
	}
	n = min(n, most)
	if offset+n > 10000 {
		return page{}, invalid("Offset plus limit cannot be more than 10000")
	}
	return page{n, offset}, nil
}

// paged answers one page of items under name: 25 of them, at most 100.
func paged[T any](q *request, name string, items []T, view func(T) obj) (answer, error) {
	p, err := q.page(25, 100)
	if err != nil {
		return answer{}, err
	}
	body := obj{"limit": p.limit, "offset": p.offset, "more": p.offset+p.limit < len(items), "total": nil}
	if q.flag("total") {
		body["total"] = len(items)
	}
	from, to := p.bounds(len(items))
	body[name] = each(items[from:to], view)
	return ok(body)
}

func (p page) bounds(n int) (from, to int) { return min(p.offset, n), min(p.offset+p.limit, n) }

// each views all items; never nil, for JSON's sake.
func each[T any](items []T, view func(T) obj) []obj {
	views := make([]obj, len(items))
	for i, item := range items {
		views[i] = view(item)
	}
	return views
}

// acceptable reports whether the Accept header lets version 2 through.
func acceptable(accept []string) bool {
	if len(accept) == 0 {
		return true
	}
	for _, one := range strings.Split(strings.Join(accept, ","), ",") {
		kind, params, err := mime.ParseMediaType(one)
		if err != nil {
			continue
		}
		switch kind {
		case "*/*", "application/*", "application/json":
			return true
		case "application/vnd.pagerduty+json":
			if v := params["version"]; v == "" || v == "2" {
				return true
			}
		}
	}
	return false
}

func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "application/json" || kind == "application/vnd.pagerduty+json")
}
