package pagerduty

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
)

func newIncident(key string) NewIncident {
	return NewIncident{ServiceID: "PSVC001", Key: key, Title: "Access request from ann", Details: "who, what, why"}
}

func TestAnIncidentIsCreatedNotedAndResolved(t *testing.T) {
	sim := simulate(t, org)
	c := client(t, sim)
	in, err := c.CreateIncident(t.Context(), newIncident("req_1"))
	if err != nil || in.ID == "" || in.URL == "" || in.Status != "triggered" {
		t.Fatalf("%+v, %v", in, err)
	}
	if err := c.AddNote(t.Context(), in.ID, "approved by bob"); err != nil {
		t.Fatal(err)
	}
	notes, err := c.Notes(t.Context(), in.ID)
	if err != nil || len(notes) != 1 || notes[0] != "approved by bob" {
		t.Errorf("%q, %v", notes, err)
	}
	for range 2 { // resolving what is resolved is no error
		if err := c.ResolveIncident(t.Context(), in.ID); err != nil {
			t.Fatal(err)
		}
	}
	found, err := c.IncidentByKey(t.Context(), "PSVC001", "req_1")
	if err != nil || found == nil || found.ID != in.ID || found.Status != StatusResolved {
		t.Errorf("%+v, %v", found, err)
	}
	if found, err = c.IncidentByKey(t.Context(), "PSVC001", "req_2"); err != nil || found != nil {
		t.Errorf("%+v, %v", found, err)
	}
	for _, k := range sim.Calls() {
		if wrote := k.Method != "GET"; (k.From == "bot@example.com") != wrote {
			t.Errorf("%s %s: From is %q", k.Method, k.Path, k.From)
		}
	}
}

func TestF034TimeoutAfterCreateIsLookedUpByKey(t *testing.T) {
	for name, fault := range map[string]pdsim.Fault{
		"timeout": {When: pdsim.After, Delay: 15 * time.Second},
		"dropped": {When: pdsim.After, Drop: true},
		"502":     {When: pdsim.After, Status: 502},
		"500":     {When: pdsim.After, Status: 500},
		"cut":     {When: pdsim.After, Status: 201, Body: `{"incident":{"id":"`},
		"empty":   {When: pdsim.After, Status: 201, Body: ``},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := simulate(t, org)
				fault.Method, fault.Path, fault.Times = "POST", "/incidents", 1
				strike(t, sim, fault)
				in, err := client(t, sim).CreateIncident(t.Context(), newIncident("req_1"))
				if err != nil || in.ID == "" {
					t.Fatalf("%+v, %v", in, err)
				}
				if all := sim.Incidents(); len(all) != 1 {
					t.Errorf("%d incidents", len(all))
				}
			})
		})
	}
}

func TestF034ACreateThatIsCarriedOutLaterIsDoubtfulAndFoundOnTheNextTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulate(t, org)
		c := client(t, sim)
		strike(t, sim, pdsim.Fault{Method: "POST", Path: "/incidents", Delay: 20 * time.Second, Times: 1})
		_, err := c.CreateIncident(t.Context(), newIncident("req_1"))
		wantKind(t, err, core.Unavailable)
		if !Doubtful(err) {
			t.Errorf("not doubtful: %v", err)
		}
		time.Sleep(time.Minute)
		in, err := c.CreateIncident(t.Context(), newIncident("req_1"))
		if all := sim.Incidents(); err != nil || len(all) != 1 || in.ID == "" {
			t.Errorf("%+v, %d incidents, %v", in, len(all), err)
		}
	})
}

func TestF034AKeyThatIsTakenIsTheIncidentAskedFor(t *testing.T) {
	sim := simulate(t, org)
	c := client(t, sim)
	first, err := c.CreateIncident(t.Context(), newIncident("req_1"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.CreateIncident(t.Context(), newIncident("req_1"))
	if err != nil || again.ID != first.ID {
		t.Errorf("%+v, %v, want %s", again, err, first.ID)
	}
}

func TestAnIncidentThatIsRefusedForAnotherReasonStaysRefused(t *testing.T) {
	sim := simulate(t, org)
	c := client(t, sim)
	old, err := c.CreateIncident(t.Context(), newIncident("req_1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.ResolveIncident(t.Context(), old.ID); err != nil {
		t.Fatal(err)
	}
	strike(t, sim, pdsim.Fault{Method: "POST", Path: "/incidents", Status: 400})
	_, err = c.CreateIncident(t.Context(), newIncident("req_1"))
	wantKind(t, err, core.Invalid)
	_, err = c.CreateIncident(t.Context(), NewIncident{Title: "x"})
	wantKind(t, err, core.Invalid, "key")
	stranger := client(t, simulate(t, org), func(o *Options) { o.Account.FromEmail = "eve@example.com" })
	_, err = stranger.CreateIncident(t.Context(), newIncident("req_1"))
	wantKind(t, err, core.Invalid, "from_email")
}

func TestAnOpenIncidentIsPreferredToNewerResolvedOnes(t *testing.T) {
	in := func(id, status, at, key, service string) any {
		return map[string]any{"id": id, "status": status, "created_at": at, "incident_key": key, "service": map[string]any{"id": service}}
	}
	f := &fake{}
	c := client(t, f)
	f.says("GET /incidents", 200, items("incidents", false, 5,
		in("P1", "resolved", "2026-01-01T00:00:00Z", "k", "S"), in("P2", "acknowledged", "2026-01-02T00:00:00Z", "k", "S"),
		in("P3", "resolved", "2026-01-03T00:00:00Z", "k", "S"), in("P4", "triggered", "2026-01-04T00:00:00Z", "other", "S"),
		in("P5", "triggered", "2026-01-05T00:00:00Z", "k", "OTHER")))
	if got, err := c.IncidentByKey(t.Context(), "S", "k"); err != nil || got == nil || got.ID != "P2" {
		t.Errorf("%+v, %v", got, err)
	}
	q := f.calls()[0].query
	if q["date_range"][0] != "all" || len(q["statuses[]"]) != 3 || q["service_ids[]"][0] != "S" {
		t.Errorf("asked %v", q)
	}
	f.says("GET /incidents", 200, items("incidents", false, 2,
		in("P1", "resolved", "2026-01-01T00:00:00Z", "k", "S"), in("P3", "resolved", "2026-01-03T00:00:00Z", "k", "S")))
	if got, err := c.IncidentByKey(t.Context(), "S", "k"); err != nil || got == nil || got.ID != "P3" {
		t.Errorf("the newest: %+v, %v", got, err)
	}
	f.says("GET /incidents", 200, items("incidents", false, 1, map[string]any{"status": "triggered"}))
	_, err := c.IncidentByKey(t.Context(), "S", "k")
	wantKind(t, err, core.Unavailable)
}

func TestResolvingSurvivesTroubleAfterTheFact(t *testing.T) {
	for name, fault := range map[string]pdsim.Fault{
		"timeout": {When: pdsim.After, Delay: 15 * time.Second}, "502": {When: pdsim.After, Status: 502},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := simulate(t, org)
				c := client(t, sim)
				in, err := c.CreateIncident(t.Context(), newIncident("req_1"))
				if err != nil {
					t.Fatal(err)
				}
				fault.Method, fault.Path, fault.Times = "PUT", "/incidents/*", 1
				strike(t, sim, fault)
				if err := c.ResolveIncident(t.Context(), in.ID); err != nil {
					t.Error(err)
				}
			})
		})
	}
	err := client(t, simulate(t, org)).ResolveIncident(t.Context(), "PNOBODY")
	wantKind(t, err, core.NotFound)
}

// In the standalone Teleport plugin, a 500 on creating was a success with an empty id, and a
// 429 on on-calls or a 500 on users was an empty list.
func TestTeleport37NoErrorIsAnEmptySuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulate(t, org)
		strike(t, sim, pdsim.Fault{Method: "POST", Path: "/incidents", Status: 500})
		strike(t, sim, pdsim.Fault{Method: "GET", Path: "/users", Status: 500})
		strike(t, sim, pdsim.Fault{Method: "GET", Path: "/services", Status: 500})
		c := client(t, sim)
		in, err := c.CreateIncident(t.Context(), newIncident("req_1"))
		if wantKind(t, err, core.Unavailable, "500"); in.ID != "" || !Doubtful(err) {
			t.Errorf("%+v", in)
		}
		_, err = c.UserByEmail(t.Context(), "ann@example.com")
		wantKind(t, err, core.Unavailable, "500")
		_, err = c.ServiceByName(t.Context(), "Payments API")
		wantKind(t, err, core.Unavailable, "500")
		strike(t, sim, pdsim.Fault{Method: "GET", Path: "/oncalls", Status: 429})
		_, err = c.OnCalls(t.Context(), OnCallQuery{})
		wantKind(t, err, core.Unavailable, "rate limit")
	})
	synctest.Test(t, func(t *testing.T) {
		sim := simulate(t, org)
		strike(t, sim, pdsim.Fault{Status: 401})
		_, err := client(t, sim).Abilities(t.Context())
		wantKind(t, err, core.Unavailable, "credentials")
	})
}

func TestF045TextsAreCutVisiblyAndNeverDropped(t *testing.T) {
	f := &fake{}
	f.says("POST /incidents", 201, `{"incident":{"id":"P1"}}`)
	f.says("POST /incidents/P1/notes", 200, `{"note":{"id":"PN1"}}`)
	c := client(t, f)
	long := strings.Repeat("ü", 100_000)
	if _, err := c.CreateIncident(t.Context(), NewIncident{ServiceID: "S", Key: "k", Title: long, Details: long}); err != nil {
		t.Fatal(err)
	}
	if err := c.AddNote(t.Context(), "P1", long); err != nil {
		t.Fatal(err)
	}
	for _, a := range f.calls() {
		if !strings.Contains(a.body, "[cut]") || len(a.body) > 150_000 || !utf8.ValidString(a.body) {
			t.Errorf("%s: %d bytes", a.path, len(a.body))
		}
	}
	if n := utf8.RuneCountInString(cutRunes(long, titleLimit)); n != titleLimit {
		t.Errorf("a title of %d", n)
	}
	if s := strings.Repeat("é", titleLimit); cutRunes(s, titleLimit) != s {
		t.Error("a text that just fits is cut")
	}
	if s := cutBytes("a"+strings.Repeat("é", 100), 50); len(s) > 50 || !utf8.ValidString(s) {
		t.Errorf("%q", s)
	}
}

func TestF045AFullListOfNotesIsRefusedForGood(t *testing.T) {
	f := &fake{}
	f.says("POST /incidents/P1/notes", 400, `{"error":{"message":"Invalid Input Provided","code":2001,"errors":["Maximum number of notes reached"]}}`)
	wantKind(t, client(t, f).AddNote(t.Context(), "P1", "x"), core.Invalid, "2,000")
}

func TestALongKeyIsShortenedAlikeEverywhere(t *testing.T) {
	long := strings.Repeat("k", 300)
	if a, b := shortKey(long+"a"), shortKey(long+"b"); a == b || len(a) != keyLimit || a != shortKey(long+"a") {
		t.Errorf("%s, %s", a, b)
	}
	sim := simulate(t, org)
	c := client(t, sim)
	in, err := c.CreateIncident(t.Context(), newIncident(long))
	if err != nil {
		t.Fatal(err)
	}
	if found, err := c.IncidentByKey(t.Context(), "PSVC001", long); err != nil || found == nil || found.ID != in.ID {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestAConnectionThatNeverCameAboutLeavesNoDoubt(t *testing.T) {
	h := serve(t, http.NotFoundHandler())
	h.Transport = &http.Transport{DialContext: (&pipes{conns: nil, done: closed()}).dial}
	c := client(t, nil, func(o *Options) { o.HTTP = h; o.Account.RESTURL = "http://nobody.example" })
	_, err := c.CreateIncident(t.Context(), newIncident("k"))
	wantKind(t, err, core.Unavailable)
	if Doubtful(err) {
		t.Error("doubtful")
	}
}

func closed() chan struct{} { c := make(chan struct{}); close(c); return c }

func ExampleNoteText() {
	fmt.Println(NoteText("short notes stay as they are"))
	// Output: short notes stay as they are
}
