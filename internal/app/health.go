package app

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/manifest"
)

// clockTolerance is how far the clock may run ahead of the wall's before somebody should look.
const clockTolerance = 2 * time.Second

// owner is who the server's own look into things is done as.
var owner = engine.Actor{Admin: true, Via: "engine"}

// ready tells whether calls can be answered, and what is amiss. Without PagerDuty requests
// are still taken and people still decide, so only the database makes the server unready.
func (a *App) ready(ctx context.Context) (bool, []string) {
	if err := a.checkDatabase(ctx); err != nil {
		return false, []string{"database: " + withCure(err)}
	}
	reasons := append(a.accountTroubles(), a.notary.Troubles()...)
	overdue, waiting, err := a.residues(ctx)
	if err != nil {
		return false, []string{"database: " + err.Error()}
	}
	if n := len(overdue); n > 0 {
		reasons = append(reasons, fmt.Sprintf("access that should be gone is still there (%d); see sallyport status", n))
	}
	if n := len(waiting); n > 0 {
		reasons = append(reasons, fmt.Sprintf("PagerDuty has not been told about everything (%d incidents); see sallyport status", n))
	}
	return true, slices.Concat(reasons, a.authorityTroubles(), a.clockTrouble())
}

// accountTroubles says what keeps on-call data from being fresh.
func (a *App) accountTroubles() []string {
	var out []string
	for _, s := range a.accounts.Status() {
		switch {
		case s.LastSync.IsZero() && s.LastError != nil:
			out = append(out, fmt.Sprintf("account %s: on-call data was never read, so nobody is approved by on-call status: %s", s.Account, withCure(s.LastError)))
		case s.LastSync.IsZero():
			out = append(out, fmt.Sprintf("account %s: on-call data is being read for the first time", s.Account))
		case s.Age > a.Config.OnCall.MaxStaleness && s.LastError != nil:
			out = append(out, fmt.Sprintf("account %s: on-call data is %s old, so nobody is approved by on-call status: %s", s.Account, s.Age.Round(time.Second), withCure(s.LastError)))
		}
		for _, m := range s.Missing {
			out = append(out, fmt.Sprintf("account %s: %s", s.Account, m))
		}
	}
	return out
}

func (a *App) clockTrouble() []string {
	if skew := a.store.Skew(); skew.Abs() > clockTolerance {
		return []string{fmt.Sprintf("clock: this host's is %s, whose time counts", apart(skew))}
	}
	if ahead := a.clock.Ahead(); ahead > clockTolerance {
		return []string{fmt.Sprintf("clock: the wall clock was set back; time goes on %s ahead of it, so that no grant lasts longer", ahead)}
	}
	return nil
}

// residues returns the access that should be gone and is not, and the incidents that wait for PagerDuty.
func (a *App) residues(ctx context.Context) (overdue []core.Grant, waiting []core.Incident, err error) {
	ending, err := a.Engine.Grants(ctx, owner, engine.GrantQuery{States: []core.GrantState{core.GrantEnding}})
	if err != nil {
		return nil, nil, err
	}
	for _, g := range ending {
		if g.Error != "" {
			overdue = append(overdue, g)
		}
	}
	incidents, err := a.Engine.Incidents(ctx, owner, engine.IncidentQuery{Unfinished: true, Limit: 100})
	for _, i := range incidents {
		if i.Error != "" {
			waiting = append(waiting, i)
		}
	}
	return overdue, waiting, err
}

// warnings are what an operator should look at, with names.
func (a *App) warnings(ctx context.Context) []string {
	out := []string{}
	if err := a.probe.trouble(); err != nil {
		out = append(out, "database: "+withCure(err))
	}
	overdue, waiting, err := a.residues(ctx)
	if err != nil {
		return append(out, "database: "+err.Error())
	}
	for _, g := range overdue {
		out = append(out, fmt.Sprintf("access NOT removed: %s still has %s, which ended at %s: %s", g.User, g.Resource, g.EndedAt.Format(time.RFC3339), g.Error))
	}
	for _, i := range waiting {
		out = append(out, fmt.Sprintf("incident about %s on %q waits: %s", i.RequestID, i.Service, i.Error))
	}
	return out
}

// status is what the server tells about itself.
func (a *App) status(ctx context.Context) client.Status {
	s := client.Status{
		Version: a.Version, Replica: a.replica, StartedAt: a.started, Now: a.clock.Now(), Database: a.database(),
		Listen: a.Config.Listen, PublicURL: a.Config.URL(), MaxStaleness: a.Config.OnCall.MaxStaleness.String(),
		Accounts: []client.AccountStatus{}, Warnings: slices.Concat(a.warnings(ctx), a.accountTroubles(), a.roleTroubles(ctx), a.authorityTroubles(), a.clockTrouble()),
		Audit: a.auditPlaces(),
	}
	s.Warnings = append(s.Warnings, a.notary.Troubles()...)
	for _, st := range a.accounts.Status() {
		account := client.AccountStatus{Name: st.Account, SyncedAt: st.LastSync, AgeSeconds: st.Age.Seconds()}
		if st.LastError != nil {
			account.Error = st.LastError.Error()
		}
		s.Accounts = append(s.Accounts, account)
	}
	return s
}

func (a *App) database() string {
	if a.Config.Database == "" {
		return "sqlite at " + a.Config.Data
	}
	return "postgres at " + a.Config.Database.String()
}

// doctor looks at everything outside. Each finding that is not well names its cure.
func (a *App) doctor(ctx context.Context) []client.Finding {
	out := []client.Finding{a.doctorDatabase(ctx), a.doctorClock()}
	out = append(out, a.doctorAccounts(ctx)...)
	out = append(out, a.doctorReviewer(ctx))
	out = append(out, a.doctorRoles(ctx)...)
	out = append(out, a.doctorTargets(ctx)...)
	out = append(out, a.doctorAudit()...)
	for _, w := range a.warnings(ctx) {
		out = append(out, client.Finding{Check: "work", State: "warning", Text: w})
	}
	return out
}

func (a *App) doctorDatabase(ctx context.Context) client.Finding {
	if err := a.checkDatabase(ctx); err != nil {
		return problem("database", err, "see the server's log; free disk space, or bring the database back")
	}
	return client.Finding{Check: "database", State: "ok", Text: a.database()}
}

// apart says how a clock differs from the database's, which is ahead of it by so much.
func apart(skew time.Duration) string {
	if skew < 0 {
		return fmt.Sprintf("%s ahead of the database's", (-skew).Round(time.Second))
	}
	return fmt.Sprintf("%s behind the database's", skew.Round(time.Second))
}

func (a *App) doctorClock() client.Finding {
	if skew := a.store.Skew(); skew.Abs() > clockTolerance {
		return client.Finding{Check: "clock", State: "warning", Text: fmt.Sprintf("this host's is %s, whose time counts", apart(skew)), Cure: "set the clocks of both hosts right (NTP)"}
	}
	if ahead := a.clock.Ahead(); ahead > clockTolerance {
		return client.Finding{Check: "clock", State: "warning", Text: fmt.Sprintf("the wall clock is %s behind the time that was already written down", ahead), Cure: "set the host's clock right (NTP)"}
	}
	return client.Finding{Check: "clock", State: "ok", Text: a.clock.Now().Format(time.RFC3339)}
}

func (a *App) doctorAccounts(ctx context.Context) []client.Finding {
	if len(a.accounts.Status()) == 0 {
		return []client.Finding{{Check: "pagerduty", State: "problem", Text: "no PagerDuty account is configured",
			Cure: "apply a pagerduty_account; an example is in docs/how-to/pagerduty-account.md"}}
	}
	var out []client.Finding
	asked := map[string]error{}
	for _, s := range a.accounts.Status() {
		asked[s.Account] = a.diagnose(ctx, s.Account)
	}
	for _, s := range a.accounts.Status() { // as it is after asking
		check := "pagerduty account " + s.Account
		if err := asked[s.Account]; err != nil {
			out = append(out, problem(check, err, "check the api_token, the region and the network between here and PagerDuty"))
			continue
		}
		text := fmt.Sprintf("%d users, %d services, %d schedules, %d duties", s.Users, s.Services, s.Schedules, s.Duties)
		if s.Budget.Known {
			text += fmt.Sprintf("; %d of %d calls left this minute", s.Budget.Remaining, s.Budget.Limit)
		}
		out = append(out, client.Finding{Check: check, State: "ok", Text: text})
		for _, m := range s.Missing {
			out = append(out, client.Finding{Check: check, State: "warning", Text: m, Cure: "give the key the scope that is named, or leave that feature out"})
		}
		out = append(out, a.doctorSender(ctx, s.Account))
		out = append(out, a.doctorSubdomain(ctx, s.Account)...)
	}
	return out
}

// diagnose asks PagerDuty now, and where the credentials do not work, why.
func (a *App) diagnose(ctx context.Context, account string) error {
	client, err := a.accounts.Client(account)
	if err != nil {
		return err
	}
	if err := a.accounts.Probe(account); err != nil { // whoever asks wants to know how it is now
		return err
	}
	if err := client.Diagnose(ctx); err != nil {
		return err
	}
	if err := a.accounts.Refresh(ctx, account); err != nil {
		return err
	}
	_, err = a.accounts.Roster(ctx, account, time.Second)
	return err
}

// doctorSender checks that the sender of incidents is a user of the account, as PagerDuty demands.
func (a *App) doctorSender(ctx context.Context, account string) client.Finding {
	check := "sender of account " + account
	accounts, err := a.Engine.Accounts(ctx)
	if err != nil {
		return problem(check, err, "")
	}
	roster, err := a.accounts.Roster(ctx, account, time.Hour)
	if err != nil {
		return problem(check, err, "")
	}
	for _, acc := range accounts {
		if acc.Name != account {
			continue
		}
		if acc.FromEmail == "" {
			return client.Finding{Check: check, State: "problem", Text: "from_email is not set, so no incident can be opened", Cure: "set from_email to the address of a user of the account"}
		}
		if _, ok := roster.UserByEmail(acc.FromEmail); !ok {
			return client.Finding{Check: check, State: "problem", Text: "PagerDuty has no user " + acc.FromEmail + ", so no incident can be opened", Cure: "set from_email to the address of a user of the account"}
		}
		return client.Finding{Check: check, State: "ok", Text: acc.FromEmail}
	}
	return client.Finding{Check: check, State: "problem", Text: "the account is gone"}
}

// doctorSubdomain checks that the key is of the account that was meant, where that was said.
func (a *App) doctorSubdomain(ctx context.Context, account string) []client.Finding {
	check := "subdomain of account " + account
	accounts, err := a.Engine.Accounts(ctx)
	if err != nil {
		return []client.Finding{problem(check, err, "")}
	}
	i := slices.IndexFunc(accounts, func(acc core.Account) bool { return acc.Name == account })
	if i < 0 || accounts[i].Subdomain == "" {
		return nil
	}
	c, err := a.accounts.Client(account)
	if err != nil {
		return []client.Finding{problem(check, err, "")}
	}
	got, err := c.Subdomain(ctx)
	switch want := accounts[i].Subdomain; {
	case err != nil:
		return []client.Finding{problem(check, err, "")}
	case got != want:
		return []client.Finding{{Check: check, State: "problem", Text: fmt.Sprintf("the key is of %s.pagerduty.com, not of %s.pagerduty.com", got, want), Cure: "give the key of the account that is meant, or correct its subdomain"}}
	}
	return []client.Finding{{Check: check, State: "ok", Text: got + ".pagerduty.com"}}
}

func (a *App) doctorReviewer(ctx context.Context) client.Finding {
	check, name := "on-call reviewer", a.Config.Annotations.Reviewer
	dir, err := a.Engine.Directory(ctx)
	if err != nil {
		return problem(check, err, "")
	}
	if _, ok := dir.User(name); !ok {
		return client.Finding{Check: check, State: "warning", Text: fmt.Sprintf("there is no user %q, so nobody is approved by on-call status", name),
			Cure: "apply the user and its role (docs/how-to/coming-from-teleport.md shows both), or set annotations.reviewer"}
	}
	return client.Finding{Check: check, State: "ok", Text: "reviews as " + name}
}

// doctorRoles holds the PagerDuty names in roles against what PagerDuty has now.
func (a *App) doctorRoles(ctx context.Context) []client.Finding {
	roster, err := a.accounts.Roster(ctx, "", time.Hour)
	if err != nil {
		return nil // said with the account
	}
	unknown, err := a.unknownNames(ctx, roster)
	if err != nil {
		return []client.Finding{problem("roles", err, "")}
	}
	var out []client.Finding
	for _, u := range unknown {
		out = append(out, client.Finding{Check: "role " + u.role, State: "problem", Text: "PagerDuty knows no " + u.names, Cure: "mend the annotation: sallyport edit role/" + u.role})
	}
	return out
}

// roleTroubles is what doctorRoles finds, by what is known of PagerDuty without asking: names
// that could not be checked when their role was stored are held against it as soon as they can be.
func (a *App) roleTroubles(ctx context.Context) []string {
	atOnce, cancel := context.WithCancel(ctx)
	cancel()
	roster, _ := a.accounts.Roster(atOnce, "", math.MaxInt64)
	if roster == nil {
		return nil // nothing was read yet, which is said with the account
	}
	unknown, err := a.unknownNames(ctx, roster)
	if err != nil {
		return []string{"roles: " + err.Error()}
	}
	var out []string
	for _, u := range unknown {
		out = append(out, fmt.Sprintf("role %s: PagerDuty knows no %s, so that nobody is approved by it; mend it: sallyport edit role/%s", u.role, u.names, u.role))
	}
	return out
}

// unknownNames are the PagerDuty names in a role that PagerDuty does not know.
type unknownNames struct{ role, names string }

func (a *App) unknownNames(ctx context.Context, roster *core.Roster) (out []unknownNames, err error) {
	dir, err := a.Engine.Directory(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range dir.RoleNames() {
		role, _ := dir.Role(name)
		if unknown := roster.Unknown(terms(a.Config).Names(role)); len(unknown) > 0 {
			out = append(out, unknownNames{name, strings.Join(unknown, ", ")})
		}
	}
	return out, nil
}

func (a *App) doctorTargets(ctx context.Context) []client.Finding {
	docs, err := a.Engine.Documents(ctx, owner, "target")
	if err != nil {
		return []client.Finding{problem("targets", err, "")}
	}
	var out []client.Finding
	for _, d := range docs {
		check := "target " + d.Name
		t, err := manifest.Target(d)
		if err != nil {
			out = append(out, problem(check, err, ""))
			continue
		}
		shown, err := a.Engine.Entitlements(ctx, owner, d.Name)
		if err != nil {
			out = append(out, problem(check, err, "check the target's settings: sallyport edit target/"+d.Name))
			continue
		}
		out = append(out, client.Finding{Check: check, State: "ok", Text: fmt.Sprintf("%s shows %d entitlements", t.Connector, len(shown))})
	}
	return out
}

// problem is a finding that something does not work. A hint of the error's own is the better cure.
func problem(check string, err error, cure string) client.Finding {
	return client.Finding{Check: check, State: "problem", Text: err.Error(), Cure: cmp.Or(hint(err), cure)}
}
