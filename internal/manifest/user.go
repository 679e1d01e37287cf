package manifest

import "github.com/sallyport/sallyport/internal/core"

type userSpec struct {
	Roles  []string `json:"roles"`
	Traits lists    `json:"traits"`
	Bot    bool     `json:"bot"`
	Owner  string   `json:"owner"`
	Locked bool     `json:"locked"`

	_ struct{} `unused:"created_by expires github_identities local_auth oidc_identities password_state saml_identities status trusted_device_ids"`
}

// judgeUser refuses an owner who would be overlooked: only a bot's reviews count for its owner.
func judgeUser(spec *node, _ *checker) error {
	owner, bot := spec.field("owner"), spec.field("bot")
	if owner != nil && owner.value.text != "" && (bot == nil || bot.value.text != "true") {
		return wrong("spec.owner at line %d is only for bots", owner.line).WithHint("write bot: true beside it")
	}
	return nil
}

// User decodes a document of kind user.
func User(doc core.Document) (core.User, error) {
	spec, err := decode[userSpec](doc, KindUser)
	if err != nil {
		return core.User{}, err
	}
	return core.User{
		Name: doc.Name, Roles: spec.Roles, Traits: spec.Traits,
		Bot: spec.Bot, Owner: spec.Owner, Locked: spec.Locked,
	}, nil
}
