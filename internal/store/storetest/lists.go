package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

func requestIDs(b *bench, v engine.View, q engine.RequestQuery) []string {
	b.Helper()
	var ids []string
	for _, r := range value[[]core.Request](b)(v.Requests(q)) {
		ids = append(ids, r.ID)
	}
	return ids
}

func requestsNewestFirst(b *bench) {
	var want []string
	b.write(func(tx engine.Tx) {
		for i := range 10 {
			// Two share each moment; then the id decides.
			r := core.Request{ID: fmt.Sprintf("req_%d", i), CreatedAt: T0.Add(time.Duration(i/2) * time.Second)}
			b.no(tx.PutRequest(r))
			want = append(want, r.ID)
		}
	})
	slices.Reverse(want)
	b.read(func(v engine.View) {
		b.same("all", requestIDs(b, v, engine.RequestQuery{}), want)
		var paged []string
		for page := requestIDs(b, v, engine.RequestQuery{Limit: 3}); len(page) > 0; {
			paged = append(paged, page...)
			page = requestIDs(b, v, engine.RequestQuery{Limit: 3, After: page[len(page)-1]})
		}
		b.same("page by page", paged, want)
	})
}

func requestsSelected(b *bench) {
	b.write(func(tx engine.Tx) {
		for i, r := range []core.Request{
			{ID: "a", User: "ann", State: core.Pending, ExpiresAt: T0.Add(time.Hour)},
			{ID: "b", User: "ann", State: core.Approved, ExpiresAt: T0.Add(time.Hour)},
			{ID: "c", User: "bob", State: core.Pending, ExpiresAt: T0.Add(2 * time.Hour)},
			{ID: "d", User: "bob", State: core.Pending, ExpiresAt: T0.Add(time.Hour)},
		} {
			r.CreatedAt = T0.Add(time.Duration(i) * time.Second)
			b.no(tx.PutRequest(r))
		}
	})
	for _, test := range []struct {
		q    engine.RequestQuery
		want []string
	}{
		{engine.RequestQuery{User: "ann"}, []string{"b", "a"}},
		{engine.RequestQuery{State: core.Pending}, []string{"d", "c", "a"}},
		{engine.RequestQuery{User: "bob", State: core.Pending}, []string{"d", "c"}},
		{engine.RequestQuery{ExpiresBy: T0.Add(time.Hour)}, []string{"d", "a"}},
		{engine.RequestQuery{ExpiresBy: T0.Add(time.Hour - time.Microsecond)}, nil},
		{engine.RequestQuery{ExpiresBy: T0.Add(time.Hour), User: "ann", Limit: 5}, []string{"a"}},
		{engine.RequestQuery{State: core.Pending, After: "d", Limit: 1}, []string{"c"}},
	} {
		b.read(func(v engine.View) { b.same(fmt.Sprintf("%+v", test.q), requestIDs(b, v, test.q), test.want) })
	}
}

func reviews(b *bench) {
	r := core.Request{ID: "req_1", CreatedAt: T0, Reviews: []core.Review{{Author: "zoe", State: core.Approved, CountsFor: []int{0}}}}
	b.write(func(tx engine.Tx) { b.no(tx.PutRequest(r)) })
	r.Reviews = append(r.Reviews, core.Review{Author: "ann", State: core.Denied, Reason: "no", CreatedAt: T0})
	b.write(func(tx engine.Tx) { b.no(tx.PutRequest(r)) })
	r.Reviews[0].Reason = "second thoughts" // the same author: the review is replaced
	b.write(func(tx engine.Tx) { b.no(tx.PutRequest(r)) })

	many := []core.Request{r}
	b.write(func(tx engine.Tx) {
		for i := range 700 { // more than one chunk of any kind
			other := core.Request{ID: fmt.Sprintf("req_x%03d", i), CreatedAt: T0.Add(-time.Duration(i+1) * time.Second)}
			other.Reviews = []core.Review{{Author: other.ID}}
			b.no(tx.PutRequest(other))
			many = append(many, other)
		}
	})
	b.read(func(v engine.View) {
		b.same("request", value[core.Request](b)(v.Request("req_1")), r)
		b.same("requests", value[[]core.Request](b)(v.Requests(engine.RequestQuery{})), many)
	})
}

func grantIDs(b *bench, v engine.View, q engine.GrantQuery) []string {
	b.Helper()
	var ids []string
	for _, g := range value[[]core.Grant](b)(v.Grants(q)) {
		ids = append(ids, g.ID)
	}
	return ids
}

func grantsNewestFirst(b *bench) {
	ids := []string{"z", "a", "m", "b", "y"} // nothing but the order of writing tells their age
	for _, id := range ids {
		b.write(func(tx engine.Tx) { b.no(tx.PutGrant(core.Grant{ID: id, State: core.GrantPending})) })
	}
	b.write(func(tx engine.Tx) { b.no(tx.PutGrant(core.Grant{ID: "z", State: core.GrantActive})) }) // it gets no younger
	want := slices.Clone(ids)
	slices.Reverse(want)
	b.read(func(v engine.View) {
		b.same("all", grantIDs(b, v, engine.GrantQuery{}), want)
		b.same("second page", grantIDs(b, v, engine.GrantQuery{Limit: 2, After: want[1]}), want[2:4])
		b.same("behind the last", grantIDs(b, v, engine.GrantQuery{After: "z"}), []string{})
	})
}

func grantsSelected(b *bench) {
	entitlement := func(user, target, name string) core.Entitlement {
		return core.Entitlement{User: user, Resource: core.Resource{Target: target, Name: name}}
	}
	shift := core.ApprovalRule{UntilOffCall: true}
	b.write(func(tx engine.Tx) {
		for _, g := range []core.Grant{
			{ID: "a", RequestID: "r1", Entitlement: entitlement("ann", "aws", "prod"), State: core.GrantActive, Rule: shift},
			{ID: "b", RequestID: "r1", Entitlement: entitlement("ann", "aws", "test"), State: core.GrantEnded},
			{ID: "c", RequestID: "r2", Entitlement: entitlement("bob", "aws", "prod"), State: core.GrantPending},
			{ID: "d", RequestID: "r3", Entitlement: entitlement("ann", "gcp", "prod"), State: core.GrantEnding, Rule: shift},
		} {
			b.no(tx.PutGrant(g))
		}
	})
	live := []core.GrantState{core.GrantPending, core.GrantActive}
	for _, test := range []struct {
		q    engine.GrantQuery
		want []string
	}{
		{engine.GrantQuery{RequestID: "r1"}, []string{"b", "a"}},
		{engine.GrantQuery{User: "ann"}, []string{"d", "b", "a"}},
		{engine.GrantQuery{Target: "aws"}, []string{"c", "b", "a"}},
		{engine.GrantQuery{User: "ann", Target: "aws"}, []string{"b", "a"}},
		{engine.GrantQuery{Entitlement: entitlement("ann", "aws", "prod")}, []string{"a"}},
		{engine.GrantQuery{Entitlement: entitlement("ann", "aws", "prod"), States: live}, []string{"a"}},
		{engine.GrantQuery{Entitlement: entitlement("ann", "aws", "test"), States: live}, nil},
		{engine.GrantQuery{States: live}, []string{"c", "a"}},
		{engine.GrantQuery{UntilOffCall: true}, []string{"d", "a"}},
		{engine.GrantQuery{UntilOffCall: true, States: live}, []string{"a"}},
		{engine.GrantQuery{Target: "aws", Limit: 1, After: "c"}, []string{"b"}},
	} {
		b.read(func(v engine.View) { b.same(fmt.Sprintf("%+v", test.q), grantIDs(b, v, test.q), test.want) })
	}
}

func grantsByEnd(b *bench) {
	b.write(func(tx engine.Tx) {
		for i, g := range []core.Grant{
			{ID: "late", State: core.GrantActive, EndsAt: T0.Add(time.Hour)},
			{ID: "second", State: core.GrantActive, EndsAt: T0},
			{ID: "first", State: core.GrantActive, EndsAt: T0.Add(-time.Second)},
			{ID: "over", State: core.GrantEnding, EndsAt: T0.Add(-time.Hour)},
			{ID: "third", State: core.GrantActive, EndsAt: T0},
		} {
			g.User = fmt.Sprint("user", i)
			b.no(tx.PutGrant(g))
		}
	})
	b.read(func(v engine.View) {
		due := engine.GrantQuery{EndsBy: T0}
		b.same("due", grantIDs(b, v, due), []string{"first", "second", "third"})
		due.Limit, due.After = 1, "first"
		b.same("second page", grantIDs(b, v, due), []string{"second"})
		due.After = "second"
		b.same("third page", grantIDs(b, v, due), []string{"third"})
		b.same("of one user", grantIDs(b, v, engine.GrantQuery{EndsBy: T0, User: "user2"}), []string{"first"})
		b.same("the next to end", grantIDs(b, v, engine.GrantQuery{EndsBy: T0.AddDate(100, 0, 0), Limit: 1}), []string{"first"})
	})
}

func incidentsSelected(b *bench) {
	b.write(func(tx engine.Tx) {
		for i, in := range []core.Incident{
			{ID: "done", RequestID: "r1", State: core.IncidentOpen},
			{ID: "wanted", RequestID: "r1", State: core.IncidentWanted},
			{ID: "later", RequestID: "r2", State: core.IncidentWanted, RetryAt: T0.Add(time.Minute)},
			{ID: "to resolve", RequestID: "r2", State: core.IncidentOpen, Resolve: true, RetryAt: T0},
			{ID: "to note", RequestID: "r2", State: core.IncidentOpen, Notes: []core.Note{{Seq: 1}}},
		} {
			in.CreatedAt = T0.Add(time.Duration(i) * time.Second)
			b.no(tx.PutIncident(in))
		}
	})
	for _, test := range []struct {
		q    engine.IncidentQuery
		want []string
	}{
		{engine.IncidentQuery{}, []string{"to note", "to resolve", "later", "wanted", "done"}},
		{engine.IncidentQuery{RequestID: "r1"}, []string{"wanted", "done"}},
		{engine.IncidentQuery{Unfinished: true}, []string{"to note", "to resolve", "later", "wanted"}},
		{engine.IncidentQuery{Unfinished: true, RetryBy: T0}, []string{"to note", "to resolve", "wanted"}},
		{engine.IncidentQuery{Unfinished: true, Limit: 2, After: "to resolve"}, []string{"later", "wanted"}},
	} {
		var ids []string
		b.read(func(v engine.View) {
			ids = nil
			for _, in := range value[[]core.Incident](b)(v.Incidents(test.q)) {
				ids = append(ids, in.ID)
			}
		})
		b.same(fmt.Sprintf("%+v", test.q), ids, test.want)
	}
}

func notes(b *bench) {
	in := core.Incident{ID: "in_1", State: core.IncidentOpen, Notes: []core.Note{{Seq: 1, Text: "opened"}}}
	b.write(func(tx engine.Tx) { b.no(tx.PutIncident(in)) })
	in.Notes[0].Tried, in.Notes[0].Posted = true, true
	in.Notes = append(in.Notes, core.Note{Seq: 2, Text: "approved"})
	b.write(func(tx engine.Tx) { b.no(tx.PutIncident(in)) })
	b.read(func(v engine.View) { b.same("incident", value[core.Incident](b)(v.Incident("in_1")), in) })
}

func holdings(b *bench) {
	h := engine.Holding{Entitlement: core.Entitlement{User: "ann", Resource: core.Resource{Target: "aws", Name: "prod"}}, Owner: "one"}
	b.write(func(tx engine.Tx) { b.no(tx.PutHolding(h)) })
	h.Owner, h.Failures = "two", 3
	b.write(func(tx engine.Tx) { b.no(tx.PutHolding(h)) })
	b.read(func(v engine.View) { b.same("holding", value[engine.Holding](b)(v.Holding(h.Entitlement)), h) })
	b.write(func(tx engine.Tx) {
		b.no(tx.DeleteHolding(h.Entitlement))
		b.no(tx.DeleteHolding(h.Entitlement))
	})
	b.read(func(v engine.View) {
		b.same("no holding", value[engine.Holding](b)(v.Holding(h.Entitlement)), engine.Holding{})
	})
}

func pinsAreUnique(b *bench) {
	ann := engine.Pin{User: "ann", Account: "acme", PagerDutyUserID: "PU1", Email: "ann@example.com", PinnedAt: T0}
	b.write(func(tx engine.Tx) { b.no(tx.PutPin(ann)) })
	b.wantKind(b.Store.Write(b.context(), func(tx engine.Tx) error {
		return tx.PutPin(engine.Pin{User: "bob", Account: "acme", PagerDutyUserID: "PU1"})
	}), core.Conflict)
	elsewhere := engine.Pin{User: "bob", Account: "other", PagerDutyUserID: "PU1"}
	ann.PagerDutyUserID = "PU2"
	b.write(func(tx engine.Tx) {
		b.no(tx.PutPin(elsewhere)) // another account is another matter
		b.no(tx.PutPin(ann))
		b.no(tx.PutPin(engine.Pin{User: "bob", Account: "acme", PagerDutyUserID: "PU1"})) // it is free now
		b.no(tx.DeletePin("bob", "acme"))
		b.no(tx.DeletePin("bob", "acme"))
	})
	b.read(func(v engine.View) {
		b.same("PU1 of acme", value[engine.Pin](b)(v.PinOf("acme", "PU1")), engine.Pin{})
		b.same("PU2 of acme", value[engine.Pin](b)(v.PinOf("acme", "PU2")), ann)
		b.same("PU1 of other", value[engine.Pin](b)(v.PinOf("other", "PU1")), elsewhere)
	})
}

func answers(b *bench) {
	a := engine.Answer{Key: "ann 1", Digest: "d", Status: 202, Body: `{"id":"req_1"}`, CreatedAt: T0}
	b.write(func(tx engine.Tx) { b.no(tx.PutAnswer(a)) })
	err := b.Store.Write(b.context(), func(tx engine.Tx) error {
		b.same("answer", value[engine.Answer](b)(tx.Answer(a.Key)), a)
		b.no(tx.PutAnswer(engine.Answer{Key: "ann 2"}))
		return errMine
	})
	b.same("error", err == errMine, true)
	b.read(func(v engine.View) {
		b.same("answer of what failed", value[engine.Answer](b)(v.Answer("ann 2")), engine.Answer{})
	})
	b.write(func(tx engine.Tx) { b.no(tx.DeleteAnswers(T0)) })
	b.read(func(v engine.View) { b.same("answer that is not old", value[engine.Answer](b)(v.Answer("ann 1")), a) })
	b.write(func(tx engine.Tx) { b.no(tx.DeleteAnswers(T0.Add(time.Second))) })
	b.read(func(v engine.View) { b.same("old answer", value[engine.Answer](b)(v.Answer("ann 1")), engine.Answer{}) })
}

func credentials(b *bench) {
	at := func(n int) time.Time { return T0.Add(time.Duration(n) * time.Minute) }
	list := []core.Credential{
		{Kind: core.CredentialSession, ID: "1", User: "ann", Body: "{}", CreatedAt: at(1), ExpiresAt: at(60)},
		{Kind: core.CredentialCertificate, ID: "1", User: "bot", Author: "ann", Body: "{}", CreatedAt: at(2), ExpiresAt: at(61)},
		{Kind: core.CredentialPasskey, ID: "x", User: "ann", Body: "{}", CreatedAt: at(0)},
	}
	b.write(func(tx engine.Tx) {
		for _, c := range list {
			b.no(tx.PutCredential(c))
		}
	})
	find := func(v engine.View, q engine.CredentialQuery) []core.Credential {
		return value[[]core.Credential](b)(v.Credentials(q))
	}
	b.read(func(v engine.View) {
		b.same("a credential", value[core.Credential](b)(v.Credential(core.CredentialSession, "1")), list[0])
		b.same("of a user, the oldest first", find(v, engine.CredentialQuery{User: "ann"}), []core.Credential{list[2], list[0]})
		b.same("by an author", find(v, engine.CredentialQuery{Author: "ann"}), []core.Credential{list[1]})
		b.same("of a kind", find(v, engine.CredentialQuery{Kind: core.CredentialCertificate}), []core.Credential{list[1]})
		_, err := v.Credential(core.CredentialSession, "x")
		b.wantKind(err, core.NotFound)
	})
	b.write(func(tx engine.Tx) { b.no(tx.DeleteCredentials(at(60))) })
	b.write(func(tx engine.Tx) { b.no(tx.DeleteCredential(core.CredentialPasskey, "x")) })
	b.write(func(tx engine.Tx) { b.wantKind(tx.DeleteCredential(core.CredentialPasskey, "x"), core.NotFound) })
	b.read(func(v engine.View) {
		b.same("what is left", find(v, engine.CredentialQuery{User: "ann"}), []core.Credential(nil))
		b.same("what has not expired", find(v, engine.CredentialQuery{User: "bot"}), list[1:2])
	})
}
