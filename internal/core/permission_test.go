package core

import "testing"

func TestPermissions(t *testing.T) {
	roles := append(BuiltinRoles(),
		Role{Name: "no-delete", Deny: Conditions{Rules: []Rule{{Resources: []string{"*"}, Verbs: []string{VerbDelete}}}}},
		Role{Name: "no-role", Deny: Conditions{Rules: []Rule{{Resources: []string{"role"}, Verbs: []string{"*"}}}}},
		Role{Name: "requests", Allow: Conditions{Rules: []Rule{{Resources: []string{"access_request"}, Verbs: []string{VerbList, VerbRead}}, {Resources: []string{"access_plugin_data"}, Verbs: []string{VerbUpdate}}}}})
	d := mustDirectory(t, roles, []User{
		{Name: "access", Roles: []string{RoleAccess}}, {Name: "auditor", Roles: []string{RoleAuditor}}, {Name: "editor", Roles: []string{RoleEditor}},
		{Name: "admin", Roles: []string{RoleAdmin}}, {Name: "careful", Roles: []string{RoleAdmin, "no-delete"}}, {Name: "limited", Roles: []string{"no-role", RoleEditor}},
		{Name: "plugin", Roles: []string{"requests", "gone"}}, {Name: "locked", Roles: []string{RoleAdmin}, Locked: true},
	})
	tests := []struct {
		user, resource, verb string
		want                 bool
		text                 string
	}{
		{"access", "role", VerbRead, false, "access may not read role: no role they hold allows it"},
		{"auditor", "audit", VerbRead, true, "auditor may read audit: role auditor allows it"},
		{"auditor", "grant", VerbList, true, ""}, {"auditor", "access_request", VerbUpdate, false, ""}, {"auditor", "role", VerbRead, false, ""},
		{"editor", "role", VerbUpdate, true, ""}, {"editor", "secret", VerbDelete, true, ""}, {"editor", "vaultprovider", VerbCreate, true, ""},
		{"editor", "audit", VerbRead, false, ""}, {"editor", "access_request", VerbUpdate, false, ""}, {"editor", "role", "approve", false, ""},
		{"admin", "anything", "whatever", true, ""}, {"careful", "role", VerbUpdate, true, ""},
		{"careful", "role", VerbDelete, false, "careful may not delete role: role no-delete denies it"},
		{"limited", "role", VerbRead, false, ""}, {"limited", "user", VerbRead, true, ""},
		{"plugin", "access_plugin_data", VerbUpdate, true, ""}, {"plugin", "access_plugin_data", VerbRead, false, ""}, {"plugin", "access_request", VerbUpdate, false, ""},
		{"locked", "role", VerbRead, false, "locked may not read role: user locked is locked"},
		{"nobody", "role", VerbRead, false, `nobody may not read role: there is no user "nobody"`},
	}
	for _, tt := range tests {
		if got := d.Allowed(tt.user, tt.resource, tt.verb); got != tt.want {
			t.Errorf("%s %s %s: %v", tt.user, tt.verb, tt.resource, got)
		}
		if got := d.Permission(tt.user, tt.resource, tt.verb); got.OK != tt.want || tt.text != "" && got.Text != tt.text {
			t.Errorf("got %+v, want %q", got, tt.text)
		}
	}
}

func TestBuiltinRolesPassTheCheck(t *testing.T) {
	for _, r := range BuiltinRoles() {
		if warnings, err := CheckRole(r); err != nil || len(warnings) > 0 {
			t.Error(warnings, err)
		}
	}
}
