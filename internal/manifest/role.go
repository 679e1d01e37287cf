package manifest

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// roleSpec is Teleport's role, versions v3 to v8, and our entitlements.
type roleSpec struct {
	Allow        conditions    `json:"allow"`
	Deny         conditions    `json:"deny"`
	Options      roleOptions   `json:"options"`
	Entitlements []entitlement `json:"entitlements"`
}

type conditions struct {
	Request        requestRule `json:"request"`
	ReviewRequests reviewRule  `json:"review_requests"`
	Rules          []rule      `json:"rules"`
	Impersonate    impersonate `json:"impersonate"`

	_ struct{} `unused:"account_assignments app_labels app_labels_expression aws_role_arns azure_identities cluster_labels cluster_labels_expression db_labels db_labels_expression db_names db_permissions db_roles db_service_labels db_service_labels_expression db_users desktop_groups gcp_service_accounts github_permissions group_labels group_labels_expression host_groups host_sudoers join_sessions kubernetes_groups kubernetes_labels kubernetes_labels_expression kubernetes_resources kubernetes_users logins mcp node_labels node_labels_expression require_session_join spiffe windows_desktop_labels windows_desktop_labels_expression windows_desktop_logins workload_identity_labels workload_identity_labels_expression"`
}

type requestRule struct {
	Roles              []string     `json:"roles"`
	ClaimsToRoles      []claimRoles `json:"claims_to_roles"`
	SearchAsRoles      []string     `json:"search_as_roles"`
	Thresholds         []threshold  `json:"thresholds"`
	Annotations        lists        `json:"annotations"`
	MaxDuration        span         `json:"max_duration"`
	SuggestedReviewers []string     `json:"suggested_reviewers"`
	Reason             reasonRule   `json:"reason"`

	_ struct{} `unused:"kubernetes_resources"`
}

type reasonRule struct {
	Mode reasonMode `json:"mode"`
	_    struct{}   `unused:"prompt"`
}

type reviewRule struct {
	Roles         []string     `json:"roles"`
	ClaimsToRoles []claimRoles `json:"claims_to_roles"`
	Where         string       `json:"where"`
	_             struct{}     `unused:"preview_as_roles"`
}

type claimRoles struct {
	Claim string   `json:"claim" need:"yes"`
	Value string   `json:"value" need:"yes"`
	Roles []string `json:"roles" need:"yes"`
}

type threshold struct {
	Name    string `json:"name"`
	Filter  string `json:"filter"`
	Approve count  `json:"approve"`
	Deny    count  `json:"deny"`
}

type rule struct {
	Resources []string `json:"resources" need:"yes"`
	Verbs     []string `json:"verbs" need:"yes"`
	Where     unheeded `json:"where"`
	_         struct{} `unused:"actions"`
}

type impersonate struct {
	Users []string `json:"users"`
	Roles []string `json:"roles"`
	Where unheeded `json:"where"`
}

type entitlement struct {
	Target   string `json:"target" need:"yes"`
	Resource string `json:"resource" need:"yes"`
}

type roleOptions struct {
	MaxSessionTTL session       `json:"max_session_ttl"`
	RequestAccess requestAccess `json:"request_access"`

	_ struct{} `unused:"bpf cert_extensions cert_format client_idle_timeout create_db_user create_db_user_mode create_desktop_user create_host_user create_host_user_default_shell create_host_user_mode desktop_clipboard desktop_directory_sharing device_trust_mode disconnect_expired_cert enhanced_recording forward_agent idp lock max_connections max_kubernetes_connections max_sessions mfa_verification_interval permit_x11_forwarding pin_source_ip port_forwarding record_session request_prompt require_session_mfa ssh_file_copy ssh_port_forwarding"`
}

// requestAccess is how a role's holders come to requests.
type requestAccess string

func (requestAccess) check(_ *checker, n *node, path string) (*node, error) {
	return oneOf(n, path, "optional", "denied", "always", "reason")
}

// reasonMode says whether a request needs a reason.
type reasonMode string

func (reasonMode) check(_ *checker, n *node, path string) (*node, error) {
	return oneOf(n, path, "optional", "required")
}

// An unheeded condition limits an entry in a way that is not evaluated here. So that
// nobody gets more than was written, such an entry allows nothing, and denies always.
type unheeded string

func (unheeded) check(c *checker, n *node, path string) (*node, error) {
	if n.is == isText && n.text != "" {
		effect := "this entry allows nothing"
		if strings.HasPrefix(path, "spec.deny.") {
			effect = "this entry denies always"
		}
		c.warn("%s at line %d is not evaluated here: %s", path, n.line, effect)
	}
	return expect(n, path, isText)
}

// judgeRole refuses what Teleport refuses when a role is stored, and empty references.
func judgeRole(spec *node, c *checker) error {
	if f := spec.find("deny", "request", "thresholds"); f != nil {
		return wrong("spec.deny.request.thresholds at line %d cannot be: a denial needs no reviews", f.line)
	}
	for _, key := range []string{"max_duration", "reason"} {
		if f := spec.find("deny", "request", key); f != nil {
			c.warn("spec.deny.request.%s at line %d has no effect: it can only be allowed", key, f.line)
		}
	}
	if f := spec.field("entitlements"); f != nil {
		for _, e := range f.value.items {
			for _, p := range e.fields {
				if p.value.text == "" || (p.key == "target" && (strings.Contains(p.value.text, "/") || p.value.text == core.RoleTarget)) {
					return wrong("spec.entitlements: %q is no %s, at line %d", p.value.text, p.key, p.line)
				}
			}
		}
	}
	return nil
}

// decode reads the spec of a stored document.
func decode[T any](doc core.Document, kind string) (T, error) {
	var body struct {
		Spec T `json:"spec"`
	}
	if doc.Kind != kind {
		return body.Spec, core.Errorf(core.Internal, "%s %q is no %s", doc.Kind, doc.Name, kind)
	}
	if err := json.Unmarshal([]byte(doc.Body), &body); err != nil {
		return body.Spec, core.Errorf(core.Internal, "the stored %s %q cannot be read: %w", doc.Kind, doc.Name, err)
	}
	return body.Spec, nil
}

// Role decodes a document of kind role.
func Role(doc core.Document) (core.Role, error) {
	spec, err := decode[roleSpec](doc, KindRole)
	if err != nil {
		return core.Role{}, err
	}
	role := core.Role{
		Name:  doc.Name,
		Allow: spec.Allow.noun(true),
		Deny:  spec.Deny.noun(false),
		Options: core.RoleOptions{
			MaxSessionTTL: time.Duration(spec.Options.MaxSessionTTL.span),
			RequestAccess: string(spec.Options.RequestAccess),
		},
	}
	for _, e := range spec.Entitlements {
		role.Entitlements = append(role.Entitlements, core.Resource{Target: e.Target, Name: e.Resource})
	}
	return role, nil
}

// noun leaves out allowed entries whose condition is not evaluated, and keeps denied ones.
func (c conditions) noun(allow bool) core.Conditions {
	out := core.Conditions{
		Request: c.Request.noun(),
		Review: core.ReviewRule{
			Roles:         c.ReviewRequests.Roles,
			ClaimsToRoles: claims(c.ReviewRequests.ClaimsToRoles),
			Where:         c.ReviewRequests.Where,
		},
	}
	for _, r := range c.Rules {
		if !allow || r.Where == "" {
			out.Rules = append(out.Rules, core.Rule{Resources: r.Resources, Verbs: r.Verbs})
		}
	}
	if !allow || c.Impersonate.Where == "" {
		out.Impersonate = core.Impersonate{Users: c.Impersonate.Users, Roles: c.Impersonate.Roles}
	}
	return out
}

func (r requestRule) noun() core.RequestRule {
	out := core.RequestRule{
		Roles:              r.Roles,
		ClaimsToRoles:      claims(r.ClaimsToRoles),
		SearchAsRoles:      r.SearchAsRoles,
		Annotations:        r.Annotations,
		MaxDuration:        time.Duration(r.MaxDuration),
		SuggestedReviewers: r.SuggestedReviewers,
		ReasonMode:         string(r.Reason.Mode),
	}
	for _, t := range r.Thresholds {
		out.Thresholds = append(out.Thresholds, core.Threshold{
			Name: t.Name, Filter: t.Filter, Approve: int(t.Approve), Deny: int(t.Deny),
		})
	}
	return out
}

func claims(in []claimRoles) []core.ClaimMapping {
	var out []core.ClaimMapping
	for _, c := range in {
		out = append(out, core.ClaimMapping{Claim: c.Claim, Value: c.Value, Roles: c.Roles})
	}
	return out
}
