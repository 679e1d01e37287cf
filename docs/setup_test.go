package docs_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/sallyport/sallyport/internal/pgtest"
)

// What the how-to guides take for granted. Each leaves SALLYPORT_DATA=data behind.

// do runs a command that must work.
func (s *session) do(text string) {
	s.t.Helper()
	c := command{text: text}
	if out, status := s.once(c)(); status != 0 {
		s.t.Fatalf("$ %s\nexit status %d: %s", text, status, out)
	}
}

// run starts a server or a simulator.
func (s *session) run(name, text string) {
	s.t.Helper()
	if out, _ := s.start(name, command{text: text})(); !strings.Contains(out, "on ") {
		s.t.Fatalf("$ %s\n%s", text, out)
	}
}

// server is a simulator, and a server that knows nothing yet.
func (s *session) server() {
	s.t.Helper()
	s.run("pdsim", "sallyport pdsim")
	s.do("export SALLYPORT_DATA=data")
	s.run("serve", "PAGERDUTY_TOKEN=demo-token sallyport serve --data data")
}

const account = `kind: pagerduty_account
version: v1
metadata: {name: default}
spec: {default: true, api_token: "env:PAGERDUTY_TOKEN", from_email: bot@example.com, rest_url: "http://127.0.0.1:8099"}
`

// cluster is a server with an account, beside the files of Teleport's guide.
func (s *session) cluster() {
	s.t.Helper()
	s.server()
	s.save("account.yaml", account)
	s.do("sallyport apply -f account.yaml")
	const folder = "../internal/manifest/testdata/page004"
	files, err := os.ReadDir(folder)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if err != nil {
			s.t.Fatal(err)
		}
		s.save(f.Name(), string(text))
	}
}

// organisation is a cluster with Teleport's roles and a few people.
func (s *session) organisation() {
	s.t.Helper()
	s.cluster()
	for _, f := range []string{"editor-request-rbac.yaml", "demo-role-requester.yaml", "access-plugin.yaml"} {
		s.do("sallyport apply -f " + f)
	}
	s.do("sallyport users add ann@example.com --roles demo-role-requester,editor-reviewer")
	s.do("sallyport users add bob@example.com --roles demo-role-requester,editor-requester")
}

// payments is an organisation with a PostgreSQL server, at which psql is a superuser.
func (s *session) payments() {
	s.t.Helper()
	at, err := url.Parse(s.database())
	if err != nil {
		s.t.Fatal(err)
	}
	s.env = append(s.env, "PGHOST="+at.Hostname(), "PGPORT="+at.Port(), "PGUSER="+at.User.Username(), "PGDATABASE="+strings.Trim(at.Path, "/"))
	at.User = url.UserPassword("sallyport", "choose-a-long-one")
	s.do("export PAYMENTS_DB='" + at.String() + "'")
	s.organisation()
}

// replicas is a PostgreSQL server, a simulator, and two folders.
func (s *session) replicas() {
	s.t.Helper()
	s.do("export SALLYPORT_DATABASE='" + s.database() + "'")
	s.run("pdsim", "sallyport pdsim")
	s.save("account.yaml", account)
}

// database is a fresh database on a server of its own.
func (s *session) database() string {
	s.t.Helper()
	server, err := pgtest.Open(pgtest.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := server.Close(); err != nil {
			s.t.Error(err)
		}
	})
	address, err := server.Database(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return address
}
