package pdsim

import (
	"bytes"
	"errors"
	"io"
	"net/http"
)

// A route is one REST operation.
type route struct {
	pattern string
	scope   string // that Scoped OAuth demands; "" where PagerDuty lists none
	from    bool   // the operation demands a From header
	v3      bool   // its errors are an object
	do      func(*Server, *request) (answer, error)
}

// routes are the REST operations that the simulator serves.
func routes() []route {
	return []route{
		{pattern: "GET /abilities", scope: "abilities.read", do: (*Server).listAbilities},
		{pattern: "GET /priorities", scope: "priorities.read", do: (*Server).listPriorities},
		{pattern: "GET /users", scope: "users.read", do: (*Server).listUsers},
		{pattern: "GET /users/me", scope: "users.read", do: (*Server).getMe},
		{pattern: "GET /users/{id}", scope: "users.read", do: (*Server).getUser},
		{pattern: "GET /users/{id}/contact_methods", scope: "users:contact_methods.read", do: (*Server).listContactMethods},
		{pattern: "GET /teams", scope: "teams.read", do: (*Server).listTeams},
		{pattern: "GET /teams/{id}", scope: "teams.read", do: (*Server).getTeam},
		{pattern: "GET /teams/{id}/members", scope: "teams.read", do: (*Server).listMembers},
		{pattern: "GET /oncalls", scope: "oncalls.read", do: (*Server).listOncalls},
		{pattern: "GET /schedules", scope: "schedules.read", do: (*Server).listSchedules},
		{pattern: "GET /schedules/{id}", scope: "schedules.read", do: (*Server).getSchedule},
		{pattern: "GET /schedules/{id}/users", scope: "users.read", do: (*Server).listScheduleUsers},
		{pattern: "GET /schedules/{id}/overrides", scope: "schedules.read", do: (*Server).listOverrides},
		{pattern: "POST /schedules/{id}/overrides", scope: "schedules.write", do: (*Server).createOverrides},
		{pattern: "DELETE /schedules/{id}/overrides/{override}", scope: "schedules.write", do: (*Server).deleteOverride},
		{pattern: "GET /v3/schedules", v3: true, do: (*Server).listSchedulesV3},
		{pattern: "GET /v3/schedules/{id}", v3: true, do: (*Server).getScheduleV3},
		{pattern: "GET /escalation_policies", scope: "escalation_policies.read", do: (*Server).listPolicies},
		{pattern: "GET /escalation_policies/{id}", scope: "escalation_policies.read", do: (*Server).getPolicy},
		{pattern: "GET /services", scope: "services.read", do: (*Server).listServices},
		{pattern: "GET /services/{id}", scope: "services.read", do: (*Server).getService},
		{pattern: "GET /incidents", scope: "incidents.read", do: (*Server).listIncidents},
		{pattern: "POST /incidents", scope: "incidents.write", from: true, do: (*Server).createIncident},
		{pattern: "PUT /incidents", scope: "incidents.write", from: true, do: (*Server).updateIncidents},
		{pattern: "GET /incidents/{id}", scope: "incidents.read", do: (*Server).getIncident},
		{pattern: "PUT /incidents/{id}", scope: "incidents.write", from: true, do: (*Server).updateIncident},
		{pattern: "GET /incidents/{id}/notes", scope: "incidents.read", do: (*Server).listNotes},
		{pattern: "POST /incidents/{id}/notes", scope: "incidents.write", from: true, do: (*Server).createNote},
		{pattern: "GET /incidents/{id}/log_entries", scope: "incidents.read", do: (*Server).listLogEntries},
		{pattern: "GET /incidents/{id}/alerts", scope: "incidents.read", do: (*Server).listAlerts},
		{pattern: "PUT /incidents/{id}/merge", scope: "incidents.write", from: true, do: (*Server).mergeIncidents},
		{pattern: "POST /incidents/{id}/snooze", scope: "incidents.write", from: true, do: (*Server).snoozeIncident},
		{pattern: "GET /webhook_subscriptions", scope: "webhook_subscriptions.read", do: (*Server).listSubscriptions},
		{pattern: "POST /webhook_subscriptions", scope: "webhook_subscriptions.write", do: (*Server).createSubscription},
		{pattern: "GET /webhook_subscriptions/{id}", scope: "webhook_subscriptions.read", do: (*Server).getSubscription},
		{pattern: "PUT /webhook_subscriptions/{id}", scope: "webhook_subscriptions.write", do: (*Server).updateSubscription},
		{pattern: "DELETE /webhook_subscriptions/{id}", scope: "webhook_subscriptions.write", do: (*Server).deleteSubscription},
		{pattern: "POST /webhook_subscriptions/{id}/enable", scope: "webhook_subscriptions.write", do: (*Server).enableSubscription},
		{pattern: "POST /webhook_subscriptions/{id}/ping", scope: "webhook_subscriptions.write", do: (*Server).pingSubscription},
	}
}

func (s *Server) routing() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth/token", s.issueToken)
	mux.HandleFunc("POST /v2/enqueue", s.enqueue)
	mux.HandleFunc("POST /v2/change/enqueue", s.enqueueChange)
	for _, rt := range routes() {
		mux.HandleFunc(rt.pattern, func(w http.ResponseWriter, r *http.Request) { s.serveREST(w.(*draft), r, rt) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.serveREST(w.(*draft), r, route{do: func(*Server, *request) (answer, error) { return answer{}, failNotFound }})
	})
	return mux
}

// serveREST knows the caller, counts the call, and answers it.
func (s *Server) serveREST(d *draft, r *http.Request, rt route) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err) // it is in memory
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wake()
	q := &request{Request: r, body: body, now: s.now(), values: r.URL.Query()}
	q.caller, err = s.authenticate(r)
	if !s.spend(q.caller.key, d.header) {
		err = failRateLimit
	}
	if err == nil {
		err = s.admit(q, rt)
	}
	var a answer
	if err == nil {
		a, err = rt.do(s, q)
	}
	if err != nil {
		var f *failure
		if !errors.As(err, &f) {
			s.log.Error("pdsim has a bug", "path", r.URL.Path, "error", err)
			f = failInternal
		}
		if rt.v3 && f.fields == nil && f.errors != nil {
			f = invalidField("base", "%s", f.errors[0])
		}
		d.fail(f)
		return
	}
	if a.body == nil {
		d.WriteHeader(a.status)
		return
	}
	d.json(a.status, a.body)
}

// admit checks what PagerDuty checks before it looks at an operation's own arguments.
func (s *Server) admit(q *request, rt route) error {
	if !acceptable(q.Header.Values("Accept")) {
		return &failure{status: http.StatusNotAcceptable, code: 2001, message: "Not Acceptable", errors: []string{"Ask for application/vnd.pagerduty+json;version=2"}}
	}
	if len(bytes.TrimSpace(q.body)) > 0 && !isJSON(q.Header.Get("Content-Type")) {
		return &failure{status: http.StatusUnsupportedMediaType, code: 2001, message: "Unsupported Media Type", errors: []string{"Content-Type must be application/json"}}
	}
	if err := q.caller.allowed(q.Method, rt.scope); err != nil {
		return err
	}
	return s.identify(q, rt.from)
}
