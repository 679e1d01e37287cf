package pagerduty

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
)

// on lists who is on call at a moment, as "user policy/level schedule".
func on(r *core.Roster, at time.Time) []string {
	var out []string
	for _, d := range r.Duties {
		if d.Covers(at) {
			out = append(out, fmt.Sprintf("%s %s/%d %s", d.UserID, d.EscalationPolicy, d.Level, d.Schedule))
		}
	}
	slices.Sort(out)
	return out
}

func roster(t *testing.T, x *Index, maxAge time.Duration) *core.Roster {
	t.Helper()
	r, err := x.Roster(t.Context(), maxAge)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTeleport28EveryDutyKeepsItsLevelAndSeveralPeopleAreOnCallAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := index(t, simulate(t, org))
		r := roster(t, x, time.Minute)
		want := []string{"PUANN01 PE00001/1 PSV2001", "PUANN01 PE00001/2 PSV3001", "PUBOB01 PE00001/2 PSV3001", "PUCEE01 PE00001/3 "}
		if got := on(r, time.Now()); !slices.Equal(got, want) {
			t.Errorf("on call:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		for _, d := range r.Duties {
			if direct := d.Schedule == ""; direct != (d.Start.IsZero() && d.End.IsZero()) {
				t.Errorf("%+v: only people on a policy directly have no times", d)
			}
			if d.Account != "acme" {
				t.Errorf("account %q", d.Account)
			}
		}
		if u, ok := r.UserByEmail("ann@example.com"); !ok || u.Email != "Ann@example.com" {
			t.Errorf("%+v: the address is as PagerDuty gives it", u)
		}
		if s, ok := r.Service("Payments API"); !ok || s.EscalationPolicy != "PE00001" {
			t.Errorf("%+v", s)
		}
	})
}

func TestWhoeverComesOnCallSoonIsAtHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulate(t, org)
		x := index(t, sim)
		time.Sleep(2*time.Hour - time.Minute)
		r := roster(t, x, time.Minute)
		if got := on(r, time.Now()); !slices.Contains(got, "PUANN01 PE00001/1 PSV2001") || slices.Contains(got, "PUBOB01 PE00001/1 PSV2001") {
			t.Errorf("a minute before: %q", got)
		}
		if got := on(r, time.Now().Add(time.Minute)); slices.Contains(got, "PUANN01 PE00001/1 PSV2001") || !slices.Contains(got, "PUBOB01 PE00001/1 PSV2001") {
			t.Errorf("a minute after, by the same roster: %q", got)
		}
	})
}

func TestSchedulesOnNoPolicyAreAskedOneByOneWhereRulesNameThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, interest := range [][]string{{" Loose ", "Loose Shifts"}, {"PSLOOSE", "PSLOOS3"}, {Everything}} {
			sim := simulate(t, org)
			x := index(t, sim, func(o *IndexOptions) { o.Interest = func() []string { return interest } })
			got := on(roster(t, x, time.Minute), time.Now())
			if !slices.Contains(got, "PUCEE01 /0 PSLOOSE") || !slices.Contains(got, "PUCEE01 /0 PSLOOS3") {
				t.Errorf("%q: %q", interest, got)
			}
			n := paths(sim)
			if n["GET /schedules/PSLOOSE"] != 1 || n["GET /v3/schedules/PSLOOS3"] != 1 || n["GET /schedules/PSV2001"] != 0 {
				t.Errorf("%q: calls %v", interest, n)
			}
		}
		if got := on(roster(t, index(t, simulate(t, org)), time.Minute), time.Now()); len(got) != 4 {
			t.Errorf("without interest: %q", got)
		}
	})
}

func TestAScheduleIsReadWhicheverKindItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, simulate(t, org))
		for id, want := range map[string]int{"PSLOOSE": 1, "PSLOOS3": 1, "PSV3001": 2, "PSV2001": 1} {
			for _, v3First := range []bool{true, false} {
				got, err := c.shifts(t.Context(), laneRead, id, time.Now(), time.Now().Add(time.Minute), v3First)
				if err != nil || len(got) != want {
					t.Errorf("%s, v3 first %t: %+v, %v", id, v3First, got, err)
					continue
				}
				if time.Until(got[0].End) < 30*time.Minute {
					t.Errorf("%s: the end is the window's, not the shift's", id)
				}
			}
		}
		_, err := c.ScheduleOnCall(t.Context(), "PSNONE", time.Now(), time.Now().Add(time.Minute))
		wantKind(t, err, core.NotFound)
	})
}

// PagerDuty's documents contradict each other on whether /oncalls covers v3 schedules.
func TestV3SchedulesAreAskedThemselvesWhereOnCallsShowsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulate(t, org)
		blind := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/oncalls" {
				sim.ServeHTTP(w, r)
				return
			}
			w2 := newAnswer()
			sim.ServeHTTP(w2, r)
			var all struct{ Oncalls []map[string]any }
			_ = json.Unmarshal(w2.body.Bytes(), &all)
			var kept []any
			for _, o := range all.Oncalls {
				if s, _ := o["schedule"].(map[string]any); s == nil || s["type"] != "schedule_v3_reference" {
					kept = append(kept, o)
				}
			}
			fmt.Fprint(w, items("oncalls", false, len(kept), kept...))
		})
		got := on(roster(t, index(t, blind), time.Minute), time.Now())
		want := []string{"PUANN01 PE00001/1 PSV2001", "PUANN01 PE00001/2 PSV3001", "PUBOB01 PE00001/2 PSV3001", "PUCEE01 PE00001/3 "}
		if !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
	})
}

// large makes an account of so many schedules, each with its policy, service and person.
func large(n int) string {
	var b strings.Builder
	b.WriteString("subdomain: acme\ntokens: [{token: " + testToken + ", access: full}]\nusers:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - {id: PU%05d, name: U%d, email: u%d@example.com}\n", i, i, i)
	}
	b.WriteString("schedules:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - {id: PS%05d, name: S%d, kind: %s, shifts: [{user: PU%05d, start: now-1h, end: now+9h}]}\n", i, i, []string{"v2", "v3"}[i%2], i)
	}
	b.WriteString("escalation_policies:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - {id: PE%05d, name: E%d, rules: [[{schedule: PS%05d}]]}\n", i, i, i)
	}
	b.WriteString("services:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - {id: PV%05d, name: V%d, escalation_policy: PE%05d}\n", i, i, i)
	}
	return b.String()
}

func TestASyncOf200SchedulesTakesAtMost12CallsAndGrowsWithThePages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for n, limit := range map[int]int{200: 12, 400: 22} {
			sim := simulate(t, large(n))
			x := index(t, sim)
			r := roster(t, x, time.Minute)
			if len(r.Duties) != n {
				t.Errorf("%d duties, want %d", len(r.Duties), n)
			}
			if calls := len(sim.Calls()); calls > limit {
				t.Errorf("%d schedules: %d calls, want at most %d", n, calls, limit)
			} else {
				t.Logf("%d schedules: %d calls for everything", n, calls)
			}
			sim.ClearCalls()
			if err := x.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			if calls := len(sim.Calls()); calls != n/100 {
				t.Errorf("%d schedules: %d calls for the duties alone", n, calls)
			}
		}
	})
}

func TestF037APartialAnswerIsNeverPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulate(t, large(250))
		x := index(t, sim)
		before := roster(t, x, time.Minute)
		cut := func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/oncalls" && r.URL.Query().Get("offset") == "200" {
				w.WriteHeader(500)
				return
			}
			sim.ServeHTTP(w, r)
		}
		x.c.http = serve(t, http.HandlerFunc(cut))
		time.Sleep(2 * time.Minute)
		r, err := x.Roster(t.Context(), time.Minute)
		if wantKind(t, err, core.Unavailable, "2m", "500"); r != before {
			t.Error("the old roster is gone")
		}
	})
}

func TestF037SuddenlyNobodyIsBelievedWhenItIsSaidTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulate(t, org)
		x := index(t, sim)
		roster(t, x, time.Minute)
		empty := pdsim.Fault{Path: "/oncalls", Status: 200, Body: `{"oncalls":[],"more":false}`, Times: 1}
		strike(t, sim, empty)
		if r := roster(t, x, -1); len(on(r, time.Now())) != 4 {
			t.Errorf("said once: %q", on(r, time.Now()))
		}
		empty.Times = 2
		strike(t, sim, empty)
		// The v3 schedule answers for itself: an /oncalls that shows none may not know them.
		want := []string{"PUANN01 PE00001/2 PSV3001", "PUBOB01 PE00001/2 PSV3001"}
		if got := on(roster(t, x, -1), time.Now()); !slices.Equal(got, want) {
			t.Errorf("said twice: %q", got)
		}
	})
}

func TestF037AnAccountWithoutUsersIsNoAccount(t *testing.T) {
	sim := simulate(t, org)
	strike(t, sim, pdsim.Fault{Path: "/users", Status: 200, Body: `{"users":[],"more":false}`})
	_, err := index(t, sim).Roster(t.Context(), time.Minute)
	wantKind(t, err, core.Unavailable, "at least its owner")
}

func TestAMissingScopeCostsOnlyWhatNeedsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulate(t, org)
		for _, path := range []string{"/teams", "/escalation_policies", "/schedules", "/v3/schedules"} {
			strike(t, sim, pdsim.Fault{Path: path, Status: 403})
		}
		x := index(t, sim)
		r := roster(t, x, time.Minute)
		if len(r.Policies) != 1 || r.Policies[0].Name != "Payments" || len(r.Schedules) != 2 {
			t.Errorf("names come from the duties: %+v %+v", r.Policies, r.Schedules)
		}
		if ev := r.Match(core.OnCallRule{Services: []string{"Payments API"}, Levels: []int{1}}, "PUANN01", time.Now()); len(ev) != 1 {
			t.Errorf("evidence %+v", ev)
		}
		if s := x.Status(); len(s.Missing) != 4 || s.LastError != nil {
			t.Errorf("%+v", s)
		}
	})
}

func TestAScheduleThatTheKeyMayNotReadIsNobodyOnCallAndVisible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulate(t, org)
		strike(t, sim, pdsim.Fault{Path: "/schedules/PSLOOSE", Status: 403})
		x := index(t, sim, func(o *IndexOptions) { o.Interest = func() []string { return []string{"Loose"} } })
		if got := on(roster(t, x, time.Minute), time.Now()); len(got) != 4 {
			t.Errorf("%q", got)
		}
		if s := x.Status(); len(s.Missing) != 1 || !strings.Contains(s.Missing[0], "schedule Loose") {
			t.Errorf("%q", s.Missing)
		}
		sim.ClearFaults()
		strike(t, sim, pdsim.Fault{Path: "/schedules/PSLOOSE", Status: 500})
		time.Sleep(2 * time.Minute)
		_, err := x.Roster(t.Context(), time.Minute)
		wantKind(t, err, core.Unavailable, "500")
	})
}

func TestSomebodyNewIsFoundWithoutWaitingForTheNextFullSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulate(t, org)
		var interest atomic.Pointer[[]string]
		interest.Store(&[]string{"Payments API"})
		x := index(t, sim, func(o *IndexOptions) { o.Interest = func() []string { return *interest.Load() } })
		running(t, x)
		time.Sleep(20 * time.Second)
		data, err := pdsim.Parse([]byte(strings.ReplaceAll(org, "users:", "users:\n  - {id: PUNEW01, name: New, email: new@example.com}")))
		if err != nil {
			t.Fatal(err)
		}
		if err := sim.Replace(data); err != nil {
			t.Fatal(err)
		}
		sim.ClearCalls()
		interest.Store(&[]string{"new@example.com", "No Such Service"})
		time.Sleep(time.Minute)
		if _, ok := roster(t, x, time.Minute).UserByEmail("new@example.com"); !ok {
			t.Error("not found within a minute")
		}
		time.Sleep(3 * time.Minute)
		if n := paths(sim)["GET /users"]; n != 1 {
			t.Errorf("the directory was read %d times for a name that is nowhere, want once", n)
		}
	})
}

func TestAnAccountBeyondPagingIsReadInParts(t *testing.T) {
	f := &fake{}
	one := func(id string) any { return map[string]any{"id": id, "name": id, "email": id + "@example.com"} }
	endless := func(key string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			if q := r.URL.Query().Get("query"); q != "" {
				fmt.Fprint(w, items(key, false, 2, one(q+" 2"), one(q)))
				return
			}
			var page []any
			for i := range 100 {
				page = append(page, one(fmt.Sprint(key, r.URL.Query().Get("offset"), "-", i)))
			}
			fmt.Fprint(w, items(key, true, 20_000, page...))
		}
	}
	f.on("GET /users", endless("users"))
	f.on("GET /services", endless("services"))
	f.on("GET /escalation_policies", paged("escalation_policies", func(int) []any {
		var all []any
		for i := range 250 {
			all = append(all, one(fmt.Sprint("PE", i)))
		}
		return all
	}))
	for _, p := range []string{"schedules", "teams"} {
		f.says("GET /"+p, 200, items(p, false, 0))
	}
	f.says("GET /v3/schedules", 200, items("schedules", false, 0))
	f.on("GET /oncalls", func(w http.ResponseWriter, r *http.Request) {
		if len(r.URL.Query()["escalation_policy_ids[]"]) == 0 {
			off := r.URL.Query().Get("offset")
			var page []any
			for i := range 100 {
				page = append(page, oncallOf(fmt.Sprint("PU", off, "-", i), "PEX"))
			}
			fmt.Fprint(w, items("oncalls", true, 20_000, page...))
			return
		}
		var page []any
		for _, id := range r.URL.Query()["escalation_policy_ids[]"] {
			page = append(page, oncallOf("PU1", id))
		}
		fmt.Fprint(w, items("oncalls", false, len(page), page...))
	})
	x := index(t, f)
	if r := roster(t, x, time.Minute); len(r.Duties) != 250 {
		t.Errorf("%d duties", len(r.Duties))
	}
	if !x.Status().Cut {
		t.Error("the account is not marked as cut")
	}
	if id, err := x.ServiceID(t.Context(), "far away"); err != nil || id != "far away" {
		t.Errorf("a service beyond the cap: %q, %v", id, err)
	}
}

func oncallOf(user, policy string) any {
	return map[string]any{"user": map[string]any{"id": user}, "escalation_policy": map[string]any{"id": policy}, "escalation_level": 1, "start": nil, "end": nil, "schedule": nil}
}
