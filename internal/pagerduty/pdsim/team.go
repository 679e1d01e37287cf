package pdsim

func (s *Server) listTeams(q *request) (answer, error) {
	var found []*Team
	for i := range s.account.data.Teams {
		if t := &s.account.data.Teams[i]; named(q.query("query"), t.Name) {
			found = append(found, t)
		}
	}
	return paged(q, "teams", found, s.account.team)
}

func (s *Server) getTeam(q *request) (answer, error) {
	t := s.account.teams[q.PathValue("id")]
	if t == nil {
		return answer{}, failNotFound
	}
	return ok(obj{"team": s.account.team(t)})
}

func (s *Server) listMembers(q *request) (answer, error) {
	t := s.account.teams[q.PathValue("id")]
	if t == nil {
		return answer{}, failNotFound
	}
	return paged(q, "members", t.Members, func(id string) obj {
		return obj{"user": s.account.person(id, q.includes("users")), "role": "responder"}
	})
}

func (a *account) team(t *Team) obj {
	o := a.thing("team", t.ID, t.Name, "/teams/"+t.ID, "/teams/"+t.ID)
	o["name"], o["default_role"] = t.Name, "manager"
	return o
}

// teamViews shows teams as references, or in full where include[] asks for teams.
func (a *account) teamViews(ids []string, q *request) []obj {
	return each(ids, func(id string) obj {
		if q.includes("teams") {
			return a.team(a.teams[id])
		}
		return a.teamRef(id)
	})
}
