package pagerduty

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// accounts makes a set over a handler.
func accounts(t *testing.T, h http.Handler, change ...func(*AccountsOptions)) *Accounts {
	t.Helper()
	o := AccountsOptions{
		HTTP:  serve(t, h),
		Token: func(_ context.Context, a core.Account) (string, error) { return string(a.APIToken), nil },
	}
	for _, c := range change {
		c(&o)
	}
	s := NewAccounts(o)
	t.Cleanup(s.Close)
	return s
}

func named(name string) core.Account {
	a := testAccount()
	a.Name, a.Default, a.APIToken = name, false, testToken
	return a
}

func TestWithoutAnAccountEverythingSaysSo(t *testing.T) {
	s := accounts(t, &fake{})
	_, err := s.Roster(t.Context(), "", time.Minute)
	wantKind(t, err, core.Unavailable, "no PagerDuty account is configured", "pagerduty_account")
	for _, err := range everyMethod(t.Context(), s, "") {
		wantKind(t, err, core.Unavailable, "no PagerDuty account is configured")
	}
}

func everyMethod(ctx context.Context, s *Accounts, account string) []error {
	_, e1 := s.ServiceID(ctx, account, "x")
	_, e2 := s.FindIncident(ctx, account, "s", "k")
	_, e3 := s.CreateIncident(ctx, account, core.Incident{})
	_, e4 := s.Notes(ctx, account, "P1")
	_, e5 := s.Client(account)
	_, e6 := s.Index(account)
	return []error{e1, e2, e3, e4, e5, e6, s.ResolveIncident(ctx, account, "P1"), s.AddNote(ctx, account, "P1", "x"), s.Refresh(ctx, account), s.Probe(account)}
}

func TestAnEmptyNameIsTheDefaultAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := accounts(t, simulate(t, org))
		first, second := named("first"), named("second")
		set := func(a ...core.Account) {
			if err := s.Set(a); err != nil {
				t.Fatal(err)
			}
		}
		want := func(account string) {
			t.Helper()
			if r, err := s.Roster(t.Context(), "", time.Minute); err != nil || r.Account != account {
				t.Errorf("%+v, %v", r, err)
			}
		}
		set(first)
		want("first") // the only one
		set(first, second)
		_, err := s.Roster(t.Context(), "", time.Minute)
		wantKind(t, err, core.Unavailable, "default")
		second.Default = true
		set(first, second)
		want("second")
		_, err = s.Roster(t.Context(), "secnd", time.Minute)
		wantKind(t, err, core.NotFound, "secnd", "did you mean second")
		for _, err := range everyMethod(t.Context(), s, "zzz") {
			wantKind(t, err, core.NotFound)
		}
		if st := s.Status(); len(st) != 2 || st[0].Account != "first" || st[1].Users != 4 {
			t.Errorf("%+v", st)
		}
	})
}

func TestAnAccountThatDidNotChangeKeepsItsIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulate(t, org)
		s := accounts(t, sim)
		a, b := named("a"), named("b")
		index := func(name string) *Index {
			x, err := s.Index(name)
			if err != nil {
				t.Fatal(err)
			}
			return x
		}
		if err := s.Set([]core.Account{a, b}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		xa, xb := index("a"), index("b")
		sim.ClearCalls()
		a.Default, b.FromEmail = true, "ann@example.com"
		if err := s.Set([]core.Account{a, b}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if index("a") != xa || index("b") == xb {
			t.Error("the wrong index was replaced")
		}
		if n := paths(sim)["GET /oncalls"]; n != 1 {
			t.Errorf("%d reads at once, want one, of the account that changed", n)
		}
		if err := s.Set(nil); err != nil {
			t.Fatal(err)
		}
		sim.ClearCalls()
		time.Sleep(time.Hour)
		if n := len(sim.Calls()); n != 0 {
			t.Errorf("%d calls of accounts that are gone", n)
		}
	})
}

func TestChangedCredentialsAreProbedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulate(t, org)
		secret := "wrong"
		var mu sync.Mutex
		s := accounts(t, sim, func(o *AccountsOptions) {
			o.Token = func(_ context.Context, a core.Account) (string, error) {
				mu.Lock()
				defer mu.Unlock()
				if a.APIToken == "secret:pd" {
					return secret, nil
				}
				return string(a.APIToken), nil
			}
		})
		bad := named("a")
		bad.APIToken = "wrong"
		wait := func() {
			t.Helper()
			time.Sleep(time.Second)
			if _, err := s.Roster(t.Context(), "", time.Minute); err != nil {
				t.Errorf("a second after the change: %v", err)
			}
		}
		if err := s.Set([]core.Account{bad}); err != nil {
			t.Fatal(err)
		}
		_, err := s.Roster(t.Context(), "", time.Minute)
		wantKind(t, err, core.Unavailable, "credentials")
		if err := s.Set([]core.Account{named("a")}); err != nil { // the account names another key
			t.Fatal(err)
		}
		wait()
		bad.APIToken = "secret:pd"
		if err := s.Set([]core.Account{bad}); err != nil {
			t.Fatal(err)
		}
		_, err = s.Roster(t.Context(), "", time.Minute)
		wantKind(t, err, core.Unavailable, "credentials")
		mu.Lock()
		secret = testToken // the same reference has another value
		mu.Unlock()
		if err := s.Probe(""); err != nil {
			t.Fatal(err)
		}
		wait()
	})
}

func TestAnAccountThatIsWrongChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := accounts(t, simulate(t, org))
		if err := s.Set([]core.Account{named("a")}); err != nil {
			t.Fatal(err)
		}
		wrong := named("b")
		wrong.Region = "moon"
		wantKind(t, s.Set([]core.Account{wrong}), core.Invalid, "moon")
		if _, err := s.Roster(t.Context(), "a", time.Minute); err != nil {
			t.Error(err)
		}
		s.Close()
		wantKind(t, s.Set([]core.Account{named("a")}), core.Unavailable, "closed")
	})
}

func TestAnIncidentGoesItsWholeWayThroughTheAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulate(t, org)
		s := accounts(t, sim, func(o *AccountsOptions) { o.Idle = true })
		if err := s.Set([]core.Account{named("a")}); err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		in, err := s.CreateIncident(ctx, "", core.Incident{Service: "Payments API", Key: "req_1", Title: "t", Details: "d"})
		if err != nil {
			t.Fatal(err)
		}
		found, err := s.FindIncident(ctx, "a", "PSVC001", "req_1")
		if err != nil || found == nil || *found != in {
			t.Errorf("%+v, %v, want %+v", found, err, in)
		}
		if err := s.AddNote(ctx, "", in.ID, "n"); err != nil {
			t.Error(err)
		}
		if notes, err := s.Notes(ctx, "", in.ID); err != nil || len(notes) != 1 {
			t.Errorf("%q, %v", notes, err)
		}
		if err := s.ResolveIncident(ctx, "", in.ID); err != nil {
			t.Error(err)
		}
		if all := sim.Incidents(); len(all) != 1 || all[0].Status != StatusResolved {
			t.Errorf("%+v", all)
		}
		_, err = s.CreateIncident(ctx, "", core.Incident{Service: "Paymnts API", Key: "k"})
		wantKind(t, err, core.NotFound, "did you mean Payments API")
	})
}

// The bound of the product: at most ten calls for 200 decisions with two services each.
func TestTwoHundredDecisionsCostAtMostTenCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulate(t, org)
		s := accounts(t, sim)
		if err := s.Set([]core.Account{named("a")}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		sim.ClearCalls()
		for range 200 {
			time.Sleep(300 * time.Millisecond)
			if _, err := s.Roster(t.Context(), "", time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(sim.Calls()); n > 10 {
			t.Errorf("%d calls in a minute", n)
		}
	})
}

func TestAnIndexTellsItsOwnerWhatChangedAndForWhom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := make(chan string, 10)
		s := accounts(t, simulate(t, org), func(o *AccountsOptions) {
			o.OnChange = func(account string, _, now *core.Roster) { told <- account + now.Account }
			o.Interest = func(account string) []string { return []string{account} }
		})
		if err := s.Set([]core.Account{named("a")}); err != nil {
			t.Fatal(err)
		}
		if got := <-told; got != "aa" {
			t.Error(got)
		}
	})
}
