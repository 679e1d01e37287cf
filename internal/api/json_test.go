package api

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/client"
)

func TestB027AndB028BodiesThatCouldBeReadInTwoWaysAreRefused(t *testing.T) {
	h := newHarness(t)
	tests := []struct{ name, body, words string }{
		{"a key that stands twice", `{"roles":["prod-db"],"reason":"a","reason":"b"}`, "reason stands twice"},
		{"a key in another case", `{"Roles":["admin"],"roles":["prod-db"]}`, `did you mean "roles"?`},
		{"a key in another case alone", `{"ROLES":["prod-db"]}`, `did you mean "roles"?`},
		{"an unknown key", `{"roles":["prod-db"],"state":"APPROVED"}`, "the field state is not known"},
		{"a prototype key", `{"roles":["prod-db"],"__proto__":{"approved":true}}`, "__proto__"},
		{"annotations of one's own", `{"roles":["prod-db"],"annotations":{"pagerduty_services":["Mine"]}}`, "annotations is not known"},
		{"an author of one's own", `{"roles":["prod-db"],"author":"rev@example.com"}`, "author is not known"},
		{"a misspelt key", `{"role":["prod-db"]}`, `did you mean "roles"?`},
		{"B080 nesting without end", strings.Repeat("[", 100_000), "must be an object, not a list"},
		{"B080 nesting in a field", `{"roles":` + strings.Repeat("[", 100_000), "must be text, not a list"},
		{"B080 objects without end", `{"roles":` + strings.Repeat(`{"a":`, 100_000), "must be a list, not an object"},
		{"another type", `{"roles":"prod-db"}`, "roles must be a list"},
		{"a number for text", `{"roles":[7]}`, "roles[0] must be text"},
		{"a text for a truth", `{"dry_run":"yes"}`, "dry_run must be true or false"},
		{"a time that is none", `{"start":"tomorrow"}`, "start must be a time such as"},
		{"no object", `null`, "must be an object"},
		{"text", `"roles"`, "must be an object"},
		{"two objects", `{"roles":["prod-db"]}{"roles":["admin"]}`, "more in the body than one"},
		{"half an object", `{"roles":["prod-db"]`, "not valid JSON"},
		{"no JSON", `roles=prod-db`, "not valid JSON"},
		{"B083 broken UTF-8", "{\"reason\":\"\xff\xfe\"}", "not valid UTF-8"},
		{"B083 half a surrogate pair", `{"reason":"\ud800"}`, "surrogate"},
		{"B083 half a surrogate pair in a key", `{"re\udfffason":"x"}`, "surrogate"},
		{"B083 a NUL", `{"reason":"a\u0000b"}`, "NUL"},
		{"B083 a raw NUL", "{\"reason\":\"a\x00b\"}", "not valid JSON"},
		{"a line break", `{"roles":["prod-db"],"reason":"a\nb"}`, "control character"},
		{"B084 10,000 roles", `{"roles":["` + strings.Repeat(`r","`, 9_999) + `r"]}`, "300"},
		{"B084 a long reason", `{"roles":["prod-db"],"reason":"` + strings.Repeat("x", 100_000) + `"}`, "4096"},
		{"B084 10 MiB of reason", `{"roles":["prod-db"],"reason":"` + strings.Repeat("x", 10<<20) + `"}`, "1 MiB"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			started := time.Now()
			p := h.as("bob@example.com", "POST", "/v1/requests", test.body).wantProblem(400, client.KindInvalid, test.words)
			if took := time.Since(started); took > time.Second {
				t.Errorf("refusing it took %s", took)
			}
			if len(p.Detail) > 300 || strings.Contains(p.Detail, "xxxx") {
				t.Errorf("the answer repeats what was refused: %.100q…", p.Detail)
			}
		})
	}
	if page := into[client.RequestPage](h.local("GET", "/v1/requests", "")); len(page.Items) != 0 {
		t.Errorf("%d requests came of it", len(page.Items))
	}
}

func TestB083ManyCombiningMarksAreJustText(t *testing.T) {
	h := newHarness(t)
	r := into[client.Request](h.as("bob@example.com", "POST", "/v1/requests", `{"roles":["prod-db"],"reason":"a`+strings.Repeat("\u0301", 1000)+`"}`))
	if !strings.HasPrefix(r.Reason, "a\u0301") {
		t.Errorf("the reason is %q", r.Reason)
	}
}

func TestBodiesThatAFormCanSendAreRefused(t *testing.T) {
	h := newHarness(t)
	for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "application/json; charset=utf-16", "application/yaml"} {
		r := h.send(h.Socket(), "POST", "/v1/requests", `{"roles":["prod-db"]}`, "Content-Type", media)
		r.wantProblem(415, client.KindInvalid, "application/json")
	}
	h.send(h.Socket(), "POST", "/v1/resources", "kind: role", "Content-Type", "text/plain").wantProblem(415, client.KindInvalid, "application/yaml")
}

func TestTheActorIsNeverTheClientsChoice(t *testing.T) {
	h := newHarness(t)
	for _, header := range []string{"X-User", "X-Forwarded-User", "X-Remote-User", "Sallyport-User"} {
		into[client.Request](h.as("bob@example.com", "POST", "/v1/requests", `{"roles":["prod-db"]}`, header, "rev@example.com"))
	}
	page := into[client.AuditPage](h.local("GET", "/v1/audit?limit=1000", ""))
	seen := 0
	for _, e := range page.Items {
		if e.Action != "access_request.create" {
			continue
		}
		seen++
		if e.Actor != "bob@example.com" || !strings.HasPrefix(e.Via, "socket, uid ") || !strings.HasSuffix(e.Via, ", as bob@example.com") {
			t.Errorf("made by %q via %q", e.Actor, e.Via)
		}
	}
	if seen != 4 {
		t.Errorf("%d requests in the audit log", seen)
	}
}
