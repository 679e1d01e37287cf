package pdsim

func (s *Server) listUsers(q *request) (answer, error) {
	var found []*User
	for i := range s.account.data.Users {
		u := &s.account.data.Users[i]
		if named(q.query("query"), u.Name, u.Email) && wanted(q.list("team_ids"), s.account.teamsOf(u.ID)...) {
			found = append(found, u)
		}
	}
	return paged(q, "users", found, func(u *User) obj { return s.account.user(u, q) })
}

func (s *Server) getUser(q *request) (answer, error) {
	u := s.account.users[q.PathValue("id")]
	if u == nil {
		return answer{}, failNotFound
	}
	return ok(obj{"user": s.account.user(u, q)})
}

// getMe works with a user's key only.
func (s *Server) getMe(q *request) (answer, error) {
	u := s.account.users[q.caller.user]
	if u == nil {
		return answer{}, invalid("This endpoint needs a user-level key: an account-level key is nobody's")
	}
	return ok(obj{"user": s.account.user(u, q)})
}

func (s *Server) listContactMethods(q *request) (answer, error) {
	u := s.account.users[q.PathValue("id")]
	if u == nil {
		return answer{}, failNotFound
	}
	return ok(obj{"contact_methods": []obj{s.account.contactMethod(u)}})
}

func (a *account) user(u *User, q *request) obj {
	o := a.thing("user", u.ID, u.Name, "/users/"+u.ID, "/users/"+u.ID)
	o["name"], o["email"], o["role"], o["time_zone"] = u.Name, u.Email, u.Role, u.TimeZone
	o["color"], o["description"], o["invitation_sent"], o["created_via_sso"] = "green", nil, false, false
	o["avatar_url"] = "https://pd-static-assets.pagerduty.com/users/blank-avatar.png"
	if u.JobTitle != "" {
		o["job_title"] = u.JobTitle
	}
	contact := a.contactMethod(u)
	if !q.includes("contact_methods") {
		contact = a.thing("email_contact_method_reference", contactID(u), "Default", contactPath(u), "")
	}
	o["contact_methods"] = []obj{contact}
	o["notification_rules"] = []obj{}
	o["teams"] = a.teamViews(a.teamsOf(u.ID), q)
	return o
}

func contactID(u *User) string   { return "C" + u.ID }
func contactPath(u *User) string { return "/users/" + u.ID + "/contact_methods/" + contactID(u) }

func (a *account) contactMethod(u *User) obj {
	o := a.thing("email_contact_method", contactID(u), "Default", contactPath(u), "")
	o["label"], o["address"], o["send_short_email"] = "Default", u.Email, false
	return o
}
