package manifest

import (
	"fmt"
	"net/url"
	"regexp"

	"github.com/sallyport/sallyport/internal/core"
)

// targetSpec is the connector and, beside it, the connector's own settings. Which
// settings there are is the connector's to say; what holds for all is checked here:
// credentials are references.
type targetSpec struct {
	Connector string
	Settings  map[string]any
}

func (targetSpec) check(_ *checker, n *node, path string) (*node, error) {
	if n.is != isObject {
		return nil, mismatch(path, n, isObject)
	}
	f := n.field("connector")
	if f == nil || f.value.is == isNothing {
		return nil, wrong("%s.connector is missing in the object at line %d", path, n.line)
	}
	if _, err := expect(f.value, path+".connector", isText); err != nil {
		return nil, err
	}
	if f.value.text == "" {
		return nil, wrong("%s.connector at line %d is empty", path, f.line)
	}
	return n, checkSettings(n, path)
}

var (
	credentialKey = regexp.MustCompile(`(?i)(^|[_-])(password|passwd|pwd|secret|token|api_?key|access_?key|secret_?key|private_?key|credentials?)$`)
	passwordPair  = regexp.MustCompile(`(?i)\bpassword\s*=\s*\S`)
)

// checkSettings refuses credentials that are written out: under a name that says what they are, or inside a URL.
func checkSettings(n *node, path string) error {
	for _, f := range n.fields {
		p := join(path, f.key)
		if f.value.is == isText {
			if credentialKey.MatchString(f.key) && f.value.text != "" {
				if err := checkReference(f.value.text, f.line, p); err != nil {
					return err
				}
			}
			if carriesPassword(f.value.text) {
				return wrong("%s at line %d carries a password", p, f.line).
					WithHint("keep the whole value in an environment variable of the server and write env:NAME, or in a file and write file:PATH")
			}
		}
		if err := checkSettings(f.value, p); err != nil {
			return err
		}
	}
	for i, item := range n.items {
		p := fmt.Sprintf("%s[%d]", path, i)
		if item.is == isText && carriesPassword(item.text) {
			return wrong("%s at line %d carries a password", p, item.line)
		}
		if err := checkSettings(item, p); err != nil {
			return err
		}
	}
	return nil
}

func carriesPassword(s string) bool {
	if passwordPair.MatchString(s) {
		return true
	}
	u, err := url.Parse(s)
	if err != nil || u.User == nil {
		return false
	}
	_, has := u.User.Password()
	return has
}

// Target decodes a document of kind target. Settings hold what encoding/json makes of
// the connector's own fields.
func Target(doc core.Document) (core.Target, error) {
	spec, err := decode[map[string]any](doc, KindTarget)
	if err != nil {
		return core.Target{}, err
	}
	connector, _ := spec["connector"].(string)
	delete(spec, "connector")
	return core.Target{Name: doc.Name, Connector: connector, Settings: spec}, nil
}
