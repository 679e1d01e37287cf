package pagerduty

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/sallyport/sallyport/internal/core"
)

// people makes users PU0000, PU0001, …
func people(from, to int) []any {
	var list []any
	for i := from; i < to; i++ {
		list = append(list, map[string]any{"id": fmt.Sprintf("PU%04d", i), "email": fmt.Sprintf("u%d@example.com", i)})
	}
	return list
}

// paged answers a list that may change between pages: at is asked for the list before each page.
func paged(key string, at func(call int) []any) func(http.ResponseWriter, *http.Request) {
	n := 0
	return func(w http.ResponseWriter, r *http.Request) {
		all := at(n)
		n++
		offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		from, to := min(offset, len(all)), min(offset+limit, len(all))
		fmt.Fprint(w, items(key, to < len(all), len(all), all[from:to]...))
	}
}

// Teleport's plugin reads one page of 25 users and of 25 services.
func TestTeleport16And25SomebodyBeyondTheFirstPageIsFound(t *testing.T) {
	f := &fake{}
	f.on("GET /users", paged("users", func(int) []any { return people(0, 431) }))
	f.on("GET /services", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("query") != "db" {
			t.Errorf("query %q", r.URL.Query().Get("query"))
		}
		var all []any
		for i := range 131 {
			all = append(all, map[string]any{"id": fmt.Sprint("PS", i), "name": fmt.Sprintf("db %d", i)})
		}
		all = append(all, map[string]any{"id": "WRONG", "name": "DB"}, map[string]any{"id": "RIGHT", "name": " db "})
		paged("services", func(int) []any { return all })(w, r)
	})
	c := client(t, f)
	u, err := c.UserByEmail(t.Context(), " U430@Example.com ")
	if err != nil || u.ID != "PU0430" {
		t.Errorf("%+v, %v", u, err)
	}
	s, err := c.ServiceByName(t.Context(), "db")
	if err != nil || s.ID != "RIGHT" {
		t.Errorf("%+v, %v", s, err)
	}
	_, err = c.UserByEmail(t.Context(), "nobody@example.com")
	wantKind(t, err, core.NotFound, "nobody@example.com")
	if got := f.calls()[0].query["limit"][0]; got != "100" {
		t.Errorf("limit %s", got)
	}
}

// Teleport's plugin made 361 calls in three seconds.
func TestTeleport27AnEmptyPageThatPromisesMoreIsAnErrorAndNoLoop(t *testing.T) {
	f := &fake{}
	f.says("GET /oncalls", 200, items("oncalls", true, 0))
	_, err := client(t, f).OnCalls(t.Context(), OnCallQuery{})
	wantKind(t, err, core.Unavailable, "empty page")
	if n := len(f.calls()); n != 2 {
		t.Errorf("%d calls, want 2", n)
	}
}

func TestF038NobodyIsLostWhenAListShrinksBetweenPages(t *testing.T) {
	f := &fake{}
	f.on("GET /users", paged("users", func(n int) []any {
		if n == 0 {
			return people(0, 250)
		}
		return people(1, 250) // the first one left, so the 101st is now at 99
	}))
	all, err := client(t, f).Users(t.Context())
	if err != nil || len(all) != 249 {
		t.Fatalf("%d users, %v", len(all), err)
	}
	for i, u := range all {
		if want := fmt.Sprintf("PU%04d", i+1); u.ID != want {
			t.Fatalf("user %d is %s, want %s", i, u.ID, want)
		}
	}
}

func TestF038AListThatKeepsShrinkingIsAnError(t *testing.T) {
	f := &fake{}
	f.on("GET /users", paged("users", func(n int) []any { return people(n, 250) }))
	_, err := client(t, f).Users(t.Context())
	wantKind(t, err, core.Unavailable, "kept changing")
}

func TestF038AListMayGrowBetweenPages(t *testing.T) {
	f := &fake{}
	f.on("GET /users", paged("users", func(n int) []any {
		if n == 0 {
			return people(1, 250)
		}
		return people(0, 251) // one before, one behind
	}))
	all, err := client(t, f).Users(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, u := range all {
		seen[u.ID]++
	}
	for i := 1; i < 251; i++ {
		if seen[fmt.Sprintf("PU%04d", i)] != 1 {
			t.Errorf("user %d seen %d times", i, seen[fmt.Sprintf("PU%04d", i)])
		}
	}
	if n := len(f.calls()); n != 3 {
		t.Errorf("%d calls", n)
	}
}

func TestF038PagesThatNeverEndStopAtTheCap(t *testing.T) {
	f := &fake{}
	f.on("GET /users", func(w http.ResponseWriter, r *http.Request) {
		offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
		fmt.Fprint(w, items("users", true, 20_000, people(offset, offset+100)...))
	})
	all, err := client(t, f).Users(t.Context())
	if !errors.Is(err, ErrTooMany) || len(all) != 10_000 || len(f.calls()) != 100 {
		t.Errorf("%d users, %d calls, %v", len(all), len(f.calls()), err)
	}
}

func TestF038APageCutTo25LosesNobody(t *testing.T) {
	f := &fake{}
	f.on("GET /users", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		q.Set("limit", "25")
		r.URL.RawQuery = q.Encode()
		paged("users", func(int) []any { return people(0, 90) })(w, r)
	})
	if all, err := client(t, f).Users(t.Context()); err != nil || len(all) != 90 {
		t.Errorf("%d users, %v", len(all), err)
	}
}

func TestF037WhatIsNoListIsNoEmptyList(t *testing.T) {
	for _, body := range []string{`{}`, `{"oncalls":null}`, `{"oncalls":{}}`, `{"oncalls":"none"}`, `[]`, `null`, `{"users":[]}`, `{"oncalls":[7,"x",{}]}`} {
		t.Run(body, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{}
				f.says("GET /oncalls", 200, body)
				_, err := client(t, f).OnCalls(t.Context(), OnCallQuery{})
				wantKind(t, err, core.Unavailable)
			})
		})
	}
	f := &fake{}
	f.says("GET /oncalls", 200, `{"oncalls":[],"more":false}`)
	if got, err := client(t, f).OnCalls(t.Context(), OnCallQuery{}); err != nil || len(got) != 0 {
		t.Errorf("an empty list: %v, %v", got, err)
	}
}

func TestF037AnEntryThatIsNotUnderstoodIsNobodyOnCall(t *testing.T) {
	ref := func(id string) map[string]any { return map[string]any{"id": id} }
	good := func() map[string]any {
		return map[string]any{
			"user": ref("PU1"), "escalation_policy": ref("PE1"), "schedule": ref("PS1"), "escalation_level": 1,
			"start": "2026-11-01T00:00:00Z", "end": "2026-11-02T00:00:00+01:00", "shiny_new_field": []int{1},
		}
	}
	change := map[string]func(map[string]any){
		"null user":        func(o map[string]any) { o["user"] = nil },
		"deleted user":     func(o map[string]any) { o["user"] = map[string]any{"id": nil, "deleted_at": "2026-01-01T00:00:00Z"} },
		"no user":          func(o map[string]any) { delete(o, "user") },
		"no end":           func(o map[string]any) { delete(o, "end") },
		"odd end":          func(o map[string]any) { o["end"] = "tomorrow" },
		"odd level":        func(o map[string]any) { o["escalation_level"] = "first" },
		"nowhere":          func(o map[string]any) { o["escalation_policy"], o["schedule"] = nil, nil },
		"schedule sans id": func(o map[string]any) { o["schedule"] = map[string]any{"type": "schedule_v4_reference"} },
	}
	for name, odd := range change {
		t.Run(name, func(t *testing.T) {
			o := good()
			odd(o)
			f := &fake{}
			f.says("GET /oncalls", 200, items("oncalls", false, 2, o, good()))
			got, err := client(t, f).onCalls(t.Context(), laneRead, OnCallQuery{})
			if err != nil || len(got.items) != 1 || got.skipped != 1 || got.items[0].User.ID != "PU1" {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	unknown := good()
	unknown["schedule"] = map[string]any{"id": "PS9", "type": "schedule_v9_reference"}
	f := &fake{}
	f.says("GET /oncalls", 200, items("oncalls", false, 2, unknown, good()))
	if got, err := client(t, f).OnCalls(t.Context(), OnCallQuery{}); err != nil || len(got) != 2 {
		t.Errorf("an unknown kind of schedule: %+v, %v", got, err)
	}
}

func TestAListAtTheWrongAddressIsNotNotFound(t *testing.T) {
	_, err := client(t, &fake{}).Users(t.Context())
	wantKind(t, err, core.Unavailable, "404")
}
