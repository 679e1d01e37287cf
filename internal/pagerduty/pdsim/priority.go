package pdsim

// A priority is one of the account's incident priorities; every account begins with these.
type priority struct{ id, name, description string }

var priorities = []priority{
	{"PRIO001", "P1", "Critical issue that warrants public notification and liaison with executive teams"},
	{"PRIO002", "P2", "Critical system issue actively impacting many customers' ability to use the product"},
	{"PRIO003", "P3", "Stability or minor customer-impacting issues that require immediate attention from service owners"},
	{"PRIO004", "P4", "Minor issues requiring action, but not affecting customer ability to use the product"},
	{"PRIO005", "P5", "Cosmetic issues or bugs, not affecting customer ability to use the product"},
}

func (s *Server) listPriorities(q *request) (answer, error) {
	return paged(q, "priorities", priorities, s.account.priority)
}

func (a *account) priority(p priority) obj {
	o := a.thing("priority", p.id, p.name, "/priorities/"+p.id, "")
	o["name"], o["description"] = p.name, p.description
	return o
}

func (s *Server) listAbilities(*request) (answer, error) {
	return ok(obj{"abilities": []string{"teams", "urgencies", "read_only_users", "service_support_hours", "coordinated_responding"}})
}
