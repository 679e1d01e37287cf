package all

import (
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/sallyport/sallyport/internal/core"
)

func TestEveryConnectorHasAnExampleThatIsValidAndInItsPage(t *testing.T) {
	for _, name := range Known() {
		example, err := os.ReadFile("../../../examples/targets/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		page, err := os.ReadFile("../../../docs/reference/connectors/" + name + ".md")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(page), "```yaml\n"+string(example)+"```\n") {
			t.Errorf("%s: the example is not in the page as it is", name)
		}
		var doc struct {
			Metadata struct{ Name string }
			Spec     map[string]any
		}
		if err := yaml.Unmarshal(example, &doc); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		target := core.Target{Name: doc.Metadata.Name, Connector: name, Settings: doc.Spec}
		if doc.Spec["connector"] != name {
			t.Errorf("%s: the example is of connector %v", name, doc.Spec["connector"])
		}
		delete(doc.Spec, "connector")
		if err := Check(target); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
