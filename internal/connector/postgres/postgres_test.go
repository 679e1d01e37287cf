package postgres

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport/sallyport/internal/connector"
	"github.com/sallyport/sallyport/internal/connector/connectortest"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/pgtest"
)

var _ connector.Provisioner = (*Target)(nil)

func TestMain(m *testing.M) { pgtest.Main(m) }

// A server is a PostgreSQL seen from outside the connector. What it creates is dropped when the test ends.
type server struct {
	t     *testing.T
	dsn   string
	admin **pgx.Conn
}

func at(t *testing.T, dsn string) server { return server{t, dsn, new(*pgx.Conn)} }

func newServer(t *testing.T) server {
	t.Helper()
	s := at(t, pgtest.Database(t))
	s.create("sallyport", "LOGIN CREATEROLE") // what a managed service gives at best
	s.exec(`GRANT pg_signal_backend TO sallyport`)
	s.create("ann", "LOGIN")
	s.create("bob", "LOGIN")
	s.create("payments", "NOLOGIN")
	s.create("billing", "NOLOGIN")
	return s
}

// as returns the DSN of a login.
func (s server) as(login string) string {
	u, err := url.Parse(s.dsn)
	if err != nil {
		s.t.Fatal(err)
	}
	u.User = url.User(login)
	return u.String()
}

func (s server) connect(login string) *pgx.Conn {
	s.t.Helper()
	c, err := pgx.Connect(s.t.Context(), s.as(login))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close(context.Background()) }) // it may be dead by then, which is the point of some tests
	return c
}

// eye returns a superuser's session, which a restart may have cost its life.
func (s server) eye() *pgx.Conn {
	s.t.Helper()
	ctx := context.Background() // also while the test is being cleaned up
	if c := *s.admin; c == nil || c.Ping(ctx) != nil {
		c, err := pgx.Connect(ctx, s.dsn)
		if err != nil {
			s.t.Fatal(err)
		}
		*s.admin = c
	}
	return *s.admin
}

func (s server) exec(sql string) {
	s.t.Helper()
	if _, err := s.eye().Exec(context.Background(), sql); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
}

func (s server) create(role, options string) {
	s.t.Helper()
	s.exec("CREATE ROLE " + quote(role) + " " + options)
	s.t.Cleanup(func() { s.exec("DROP ROLE " + quote(role)) })
}

func (s server) shows(login, role string) (has bool) {
	s.t.Helper()
	err := s.eye().QueryRow(s.t.Context(), `
		SELECT EXISTS (SELECT FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member JOIN pg_roles r ON r.oid = a.roleid
		               WHERE m.rolname::text = $1 AND r.rolname::text = $2)`, login, role).Scan(&has)
	if err != nil {
		s.t.Fatal(err)
	}
	return has
}

func (s server) change(login, role string, has bool) {
	if has {
		s.exec("GRANT " + quote(role) + " TO " + quote(login))
	} else {
		s.exec("REVOKE " + quote(role) + " FROM " + quote(login))
	}
}

// open opens the connector with the settings given beside the usual ones.
func (s server) open(settings map[string]any) *Target {
	s.t.Helper()
	all := map[string]any{"dsn": "env:DSN", "roles": []any{"payments", "billing"}}
	for k, v := range settings {
		all[k] = v
	}
	t, err := Open(core.Target{Name: "db", Connector: "postgres", Settings: all}, says(s.as("sallyport")))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := t.Close(); err != nil {
			s.t.Error(err)
		}
	})
	return t
}

// says is a resolver that knows one credential.
func says(dsn string) func(context.Context, core.SecretRef) (string, error) {
	return func(context.Context, core.SecretRef) (string, error) { return dsn, nil }
}

func on(user, role string) core.Entitlement {
	return core.Entitlement{User: user, Resource: core.Resource{Target: "db", Name: role}}
}

func TestPostgresIsAProvisioner(t *testing.T) {
	connectortest.Provisioner(t, func(t *testing.T) connectortest.Subject {
		s := newServer(t)
		roles := []any{"payments", "billing"}
		var odd []core.Entitlement
		for _, name := range connectortest.OddNames {
			user, role := "u"+name, "r"+name
			if name == "PUBLIC" || name == "UPPER" {
				user, role = name, name+" ROLE"
			}
			s.create(user, "LOGIN")
			s.create(role, "NOLOGIN")
			odd, roles = append(odd, on(user, role)), append(roles, role)
		}
		return connectortest.Subject{
			Provisioner: s.open(map[string]any{"roles": append(roles, "dropped")}),
			Target:      "db", Odd: odd,
			Users: [2]string{"ann", "bob"}, Resources: [2]string{"payments", "billing"},
			NoUser: "nobody", NoResource: "dropped", // listed, but not there
			Shows: s.shows, Change: s.change,
		}
	})
}

func TestARoleOutsideTheListIsRefusedAndNeverTouched(t *testing.T) {
	s := newServer(t)
	s.create("secret", "NOLOGIN")
	s.change("bob", "secret", true)
	p := s.open(nil)
	for _, err := range []error{p.Grant(t.Context(), on("ann", "secret")), p.Revoke(t.Context(), on("bob", "secret"))} {
		wantKind(t, err, core.Refused, `does not manage the role "secret"`)
	}
	if s.shows("ann", "secret") || !s.shows("bob", "secret") {
		t.Error("it was touched")
	}
	if list, err := p.List(t.Context()); err != nil || len(list) > 0 {
		t.Errorf("list: %v, %v", list, err)
	}
}

func TestNamesAreExactInTheirCase(t *testing.T) {
	s := newServer(t)
	s.create("Ann", "LOGIN")
	s.create("Payments", "NOLOGIN")
	p := s.open(map[string]any{"roles": []any{"payments", "Payments"}})
	if err := p.Grant(t.Context(), on("Ann", "Payments")); err != nil {
		t.Fatal(err)
	}
	for _, e := range []core.Entitlement{on("ann", "payments"), on("Ann", "payments"), on("ann", "Payments")} {
		if s.shows(e.User, e.Name) {
			t.Errorf("%s got %s", e.User, e.Name)
		}
	}
	wantKind(t, p.Grant(t.Context(), on("ANN", "payments")), core.NotFound, `"ANN"`)
	wantKind(t, p.Grant(t.Context(), on("ann", "PAYMENTS")), core.NotFound, `"PAYMENTS"`)
}

func TestANameTooLongIsNotCutToOneThatExists(t *testing.T) {
	s := newServer(t)
	long := strings.Repeat("x", 63)
	s.create(long, "LOGIN")
	p := s.open(nil)
	wantKind(t, p.Grant(t.Context(), on(long+"y", "payments")), core.NotFound, long+"y")
	if s.shows(long, "payments") {
		t.Error("the shorter name got it")
	}
}

func TestALoginIsTheLocalPartOfAnAddressOfTheDomain(t *testing.T) {
	s := newServer(t)
	p := s.open(map[string]any{"login": "email_local", "domain": "example.com"})
	if err := p.Grant(t.Context(), on("ann@example.com", "payments")); err != nil {
		t.Fatal(err)
	}
	if !s.shows("ann", "payments") {
		t.Error("ann has it not")
	}
	list, err := p.List(t.Context())
	if want := on("ann@example.com", "payments"); err != nil || len(list) != 1 || list[0] != want {
		t.Errorf("list: %v, %v; want %v", list, err, want)
	}
	for _, stranger := range []string{"bob@example.org", "bob", "bob@evil.example.com", "@example.com", "bob@example.com@example.com"} {
		wantKind(t, p.Grant(t.Context(), on(stranger, "payments")), core.NotFound, "has no login")
	}
	if s.shows("bob", "payments") {
		t.Error("a stranger got bob's login")
	}
}

func TestPrivilegedRolesAreRefusedUnlessTheTargetAllowsThem(t *testing.T) {
	s := newServer(t)
	s.create("super", "SUPERUSER")
	s.create("maker", "CREATEROLE")
	s.create("replica", "REPLICATION")
	s.create("path", "NOLOGIN")
	s.create("steps", "NOLOGIN")
	s.create("shell", "NOLOGIN")
	s.create("readers", "NOLOGIN")
	s.change("path", "maker", true)
	s.change("steps", "path", true)
	s.change("shell", "pg_execute_server_program", true)
	s.change("readers", "pg_read_all_data", true)
	refused := []any{"super", "maker", "replica", "pg_monitor", "pg_read_all_data", "path", "steps", "shell"}
	p := s.open(map[string]any{"roles": append(refused, "readers")})
	for _, role := range refused {
		wantKind(t, p.Grant(t.Context(), on("ann", role.(string))), core.Refused, "privileged")
		if s.shows("ann", role.(string)) {
			t.Errorf("ann got %s", role)
		}
	}
	if err := p.Grant(t.Context(), on("ann", "readers")); err != nil {
		t.Errorf("a role that only reads: %v", err)
	}
	s.change("ann", "maker", true)
	if err := p.Revoke(t.Context(), on("ann", "maker")); err != nil || s.shows("ann", "maker") {
		t.Errorf("taking away is always right: %v", err)
	}
	p = s.open(map[string]any{"roles": refused, "allow_privileged": true})
	if err := p.Grant(t.Context(), on("ann", "maker")); err != nil || !s.shows("ann", "maker") {
		t.Errorf("allowed: %v", err)
	}
}

func TestNobodyIsGivenAccessThroughAGroupOrSallyportsOwnLogin(t *testing.T) {
	s := newServer(t)
	p := s.open(nil)
	wantKind(t, p.Grant(t.Context(), on("billing", "payments")), core.NotFound, "cannot log in")
	wantKind(t, p.Grant(t.Context(), on("sallyport", "payments")), core.Refused, "Sallyport's own login")
	wantKind(t, p.Revoke(t.Context(), on("sallyport", "payments")), core.Refused, "Sallyport's own login")
	s.change("payments", "ann", true)
	wantKind(t, p.Grant(t.Context(), on("ann", "payments")), core.Refused, "is a member of role")
}

func wantKind(t *testing.T, err error, kind core.Kind, text string) {
	t.Helper()
	if err == nil || core.KindOf(err) != kind || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v (%s), want %s: …%s…", err, core.KindOf(err), kind, text)
	}
}
