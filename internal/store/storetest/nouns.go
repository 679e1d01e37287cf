package storetest

import (
	"fmt"
	"reflect"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// fill sets every field that v has, however deep, to something that is not zero. A noun
// that grows a field which a store forgets fails the suite by itself.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(T0.Add(time.Duration(*n) * time.Microsecond)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.Map:
		key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, n)
		fill(elem, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, elem)
	case reflect.String:
		v.SetString(fmt.Sprintf("ünï \"%d\" <&> \x1f", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int64:
		if v.Type() == reflect.TypeFor[time.Duration]() {
			v.SetInt(int64(*n) * int64(time.Microsecond))
			return
		}
		v.SetInt(int64(*n))
	case reflect.Int:
		v.SetInt(int64(*n))
	default:
		panic("no value for a " + v.Type().String())
	}
}

func filled[N any]() (noun N) {
	n := 0
	fill(reflect.ValueOf(&noun).Elem(), &n)
	return noun
}

func everyFieldSurvives(b *bench) {
	document, request, grant := filled[core.Document](), filled[core.Request](), filled[core.Grant]()
	incident, holding, pin := filled[core.Incident](), filled[engine.Holding](), filled[engine.Pin]()
	answer, entry := filled[engine.Answer](), filled[core.AuditEntry]()
	credential, mark := filled[core.Credential](), filled[engine.Mark]()
	put := func(tx engine.Tx) {
		b.no(tx.PutDocument(document))
		b.no(tx.PutRequest(request))
		b.no(tx.PutGrant(grant))
		b.no(tx.PutIncident(incident))
		b.no(tx.PutHolding(holding))
		b.no(tx.PutPin(pin))
		b.no(tx.PutAnswer(answer))
		b.no(tx.PutCredential(credential))
		b.no(tx.PutMark(mark))
	}
	check := func(v engine.View) {
		b.same("document", value[core.Document](b)(v.Document(document.Kind, document.Name)), document)
		b.same("documents", value[[]core.Document](b)(v.Documents("")), []core.Document{document})
		b.same("request", value[core.Request](b)(v.Request(request.ID)), request)
		b.same("requests", value[[]core.Request](b)(v.Requests(engine.RequestQuery{})), []core.Request{request})
		b.same("grant", value[core.Grant](b)(v.Grant(grant.ID)), grant)
		b.same("grants", value[[]core.Grant](b)(v.Grants(engine.GrantQuery{})), []core.Grant{grant})
		b.same("incident", value[core.Incident](b)(v.Incident(incident.ID)), incident)
		b.same("incidents", value[[]core.Incident](b)(v.Incidents(engine.IncidentQuery{})), []core.Incident{incident})
		b.same("holding", value[engine.Holding](b)(v.Holding(holding.Entitlement)), holding)
		b.same("pin", value[engine.Pin](b)(v.Pin(pin.User, pin.Account)), pin)
		b.same("pin of", value[engine.Pin](b)(v.PinOf(pin.Account, pin.PagerDutyUserID)), pin)
		b.same("answer", value[engine.Answer](b)(v.Answer(answer.Key)), answer)
		b.same("mark", value[engine.Mark](b)(v.Mark(mark.Name)), mark)
		b.same("credential", value[core.Credential](b)(v.Credential(credential.Kind, credential.ID)), credential)
	}
	b.write(func(tx engine.Tx) { put(tx); check(tx); b.no(tx.Append(entry)) })
	b.read(check)
	b.write(put) // again, over what is there
	b.read(check)
	entry.Seq = 1
	b.read(func(v engine.View) {
		want := []core.AuditEntry{core.SealEntry(core.AuditRoot, entry)}
		b.same("audit", value[[]core.AuditEntry](b)(v.Audit(0, 0)), want)
	})
}

func zeroNounsSurvive(b *bench) {
	b.write(func(tx engine.Tx) {
		b.no(tx.PutDocument(core.Document{}))
		b.no(tx.PutRequest(core.Request{}))
		b.no(tx.PutGrant(core.Grant{}))
		b.no(tx.PutIncident(core.Incident{}))
		b.no(tx.PutHolding(engine.Holding{}))
		b.no(tx.PutPin(engine.Pin{}))
		b.no(tx.PutAnswer(engine.Answer{}))
		b.no(tx.Append(core.AuditEntry{}))
	})
	b.read(func(v engine.View) {
		b.same("document", value[core.Document](b)(v.Document("", "")), core.Document{})
		b.same("request", value[core.Request](b)(v.Request("")), core.Request{})
		b.same("grant", value[core.Grant](b)(v.Grant("")), core.Grant{})
		b.same("incident", value[core.Incident](b)(v.Incident("")), core.Incident{})
		b.same("holding", value[engine.Holding](b)(v.Holding(core.Entitlement{})), engine.Holding{})
		b.same("pin", value[engine.Pin](b)(v.Pin("", "")), engine.Pin{})
		b.same("answer", value[engine.Answer](b)(v.Answer("")), engine.Answer{})
		b.no(core.VerifyChain(value[[]core.AuditEntry](b)(v.Audit(0, 0))...))
	})
}

func whatIsNotThere(b *bench) {
	b.read(func(v engine.View) {
		_, err := v.Document("role", "nobody")
		b.wantKind(err, core.NotFound)
		_, err = v.Request("req_nobody")
		b.wantKind(err, core.NotFound)
		_, err = v.Grant("gr_nobody")
		b.wantKind(err, core.NotFound)
		_, err = v.Incident("in_nobody")
		b.wantKind(err, core.NotFound)
		_, err = v.Requests(engine.RequestQuery{After: "req_nobody"})
		b.wantKind(err, core.NotFound)
		_, err = v.Grants(engine.GrantQuery{After: "gr_nobody"})
		b.wantKind(err, core.NotFound)
		_, err = v.Incidents(engine.IncidentQuery{After: "in_nobody"})
		b.wantKind(err, core.NotFound)
		b.same("holding", value[engine.Holding](b)(v.Holding(core.Entitlement{User: "ann"})), engine.Holding{})
		b.same("pin", value[engine.Pin](b)(v.Pin("ann", "acme")), engine.Pin{})
		b.same("pin of", value[engine.Pin](b)(v.PinOf("acme", "PUANN01")), engine.Pin{})
		b.same("answer", value[engine.Answer](b)(v.Answer("ann key")), engine.Answer{})
		b.same("audit", value[[]core.AuditEntry](b)(v.Audit(0, 0)), []core.AuditEntry{})
		seq, hash, err := v.AuditHead()
		if seq != 0 || hash != core.AuditRoot || err != nil {
			b.Errorf("audit head of an empty store: %d %s %v", seq, hash, err)
		}
	})
}

func documents(b *bench) {
	revision := func() (n int64) {
		b.read(func(v engine.View) { n = value[int64](b)(v.Revision()) })
		return n
	}
	before := revision()
	b.write(func(tx engine.Tx) {
		for _, d := range []core.Document{{Kind: "user", Name: "ann"}, {Kind: "role", Name: "b"}, {Kind: "role", Name: "a"}} {
			b.no(tx.PutDocument(d))
		}
	})
	put := revision()
	if put <= before {
		b.Errorf("revision went from %d to %d when documents were put", before, put)
	}
	names := func(v engine.View, kind string) (out []string) {
		for _, d := range value[[]core.Document](b)(v.Documents(kind)) {
			out = append(out, d.Kind+"/"+d.Name)
		}
		return out
	}
	b.read(func(v engine.View) {
		b.same("all", names(v, ""), []string{"role/a", "role/b", "user/ann"})
		b.same("roles", names(v, "role"), []string{"role/a", "role/b"})
	})
	b.write(func(tx engine.Tx) {
		b.no(tx.DeleteDocument("role", "a"))
		b.wantKind(tx.DeleteDocument("role", "a"), core.NotFound)
	})
	b.read(func(v engine.View) { b.same("roles left", names(v, "role"), []string{"role/b"}) })
	if now := revision(); now <= put {
		b.Errorf("revision went from %d to %d when a document was deleted", put, now)
	}
}
