package pdsim

import (
	"fmt"
	"strconv"
	"strings"
)

// apiURL is where PagerDuty says that a thing stands, whatever the simulator's own address is.
func (a *account) apiURL(path string) string {
	if a.data.Region == "eu" {
		return "https://api.eu.pagerduty.com" + path
	}
	return "https://api.pagerduty.com" + path
}

func (a *account) webURL(path string) string {
	return "https://" + a.data.Subdomain + ".pagerduty.com" + path
}

// thing is what PagerDuty writes of everything: who it is and where it stands.
func (a *account) thing(kind, id, summary, api, web string) obj {
	o := obj{"id": id, "type": kind, "summary": summary, "self": a.apiURL(api), "html_url": nil}
	if web != "" {
		o["html_url"] = a.webURL(web)
	}
	return o
}

func (a *account) userRef(id string) obj {
	u := a.users[id]
	if u == nil { // a person whom the account no longer has
		return a.thing("user_reference", id, id, "/users/"+id, "/users/"+id)
	}
	return a.thing("user_reference", id, u.Name, "/users/"+id, "/users/"+id)
}

// person shows a user in full where include[] asks for it, or as a reference.
func (a *account) person(id string, full bool) obj {
	if u := a.users[id]; u != nil && full {
		return a.user(u, plain)
	}
	return a.userRef(id)
}

func (a *account) teamRef(id string) obj {
	return a.thing("team_reference", id, a.teams[id].Name, "/teams/"+id, "/teams/"+id)
}

func (a *account) serviceRef(id string) obj {
	name := id
	if s := a.services[id]; s != nil {
		name = s.Name
	}
	return a.thing("service_reference", id, name, "/services/"+id, "/service-directory/"+id)
}

func (a *account) policyRef(id string) obj {
	name := id
	if p := a.policies[id]; p != nil {
		name = p.Name
	}
	return a.thing("escalation_policy_reference", id, name, "/escalation_policies/"+id, "/escalation_policies/"+id)
}

func (a *account) scheduleRef(s *schedule) obj {
	if s.Kind == "v3" {
		return a.thing("schedule_v3_reference", s.ID, s.Name, "/v3/schedules/"+s.ID, "/schedules/"+s.ID)
	}
	return a.thing("schedule_reference", s.ID, s.Name, "/schedules/"+s.ID, "/schedules/"+s.ID)
}

func (a *account) incidentRef(i *Incident) obj {
	return a.thing("incident_reference", i.ID, i.summary(), "/incidents/"+i.ID, "/incidents/"+i.ID)
}

// newID returns an id of the length that PagerDuty's newer ids have.
func (s *Server) newID(prefix string) string {
	s.sequence++
	return prefix + fmt.Sprintf("%0*s", 14-len(prefix), strings.ToUpper(strconv.FormatInt(int64(s.sequence), 36)))
}
