package manifest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/core"
)

func TestEveryFileOfPage004IsTakenAsPrinted(t *testing.T) {
	want := map[string][]string{
		"editor-request-rbac.yaml":        {"role/editor-reviewer v5", "role/editor-requester v5"},
		"demo-role-requester.yaml":        {"role/demo-role v5", "role/demo-role-requester v5"},
		"access-plugin.yaml":              {"role/access-plugin v5", "user/access-plugin v2"},
		"access-plugin-impersonator.yaml": {"role/access-plugin-impersonator v5"},
		"read-user-groups.yaml":           {"role/read-user-groups v7"},
	}
	files, err := filepath.Glob("testdata/page004/*.yaml")
	if err != nil || len(files) != len(want) {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		var got []string
		for _, item := range readFile(t, file) {
			got = append(got, item.Kind+"/"+item.Name+" "+item.Version)
			if len(item.Warnings) > 0 {
				t.Errorf("%s: %s warns: %q", file, item.Name, item.Warnings)
			}
		}
		if diff := cmp.Diff(want[filepath.Base(file)], got); diff != "" {
			t.Errorf("%s:\n%s", file, diff)
		}
	}
}

func TestTheRolesOfPage004MeanWhatThePageSays(t *testing.T) {
	tests := []struct {
		file string
		want core.Role
	}{
		{"editor-request-rbac.yaml", core.Role{Name: "editor-requester", Allow: core.Conditions{Request: core.RequestRule{
			Roles:       []string{"editor"},
			Thresholds:  []core.Threshold{{Approve: 1, Deny: 1}},
			Annotations: map[string][]string{"pagerduty_notify_service": {"Teleport Access Request Notifications"}},
		}}}},
		{"demo-role-requester.yaml", core.Role{Name: "demo-role"}},
		{"access-plugin.yaml", core.Role{Name: "access-plugin", Allow: core.Conditions{
			Rules: []core.Rule{
				{Resources: []string{"access_request"}, Verbs: []string{"list", "read"}},
				{Resources: []string{"access_plugin_data"}, Verbs: []string{"update"}},
			},
			Review: core.ReviewRule{
				Roles: []string{"demo-role"},
				Where: `contains(request.system_annotations["pagerduty_services"], "My Critical Service")`,
			},
		}}},
		{"access-plugin-impersonator.yaml", core.Role{Name: "access-plugin-impersonator", Allow: core.Conditions{
			Impersonate: core.Impersonate{Roles: []string{"access-plugin"}, Users: []string{"access-plugin"}},
		}}},
		{"read-user-groups.yaml", core.Role{Name: "read-user-groups", Allow: core.Conditions{
			Rules: []core.Rule{{Resources: []string{"user_group"}, Verbs: []string{"list", "read"}}},
		}}},
	}
	for _, tt := range tests {
		items := readFile(t, "testdata/page004/"+tt.file)
		i := slices.IndexFunc(items, func(i Item) bool { return i.Name == tt.want.Name })
		got, err := Role(items[i].Document)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s:\n%s", tt.want.Name, diff)
		}
	}
}

func TestSensusSpellingIsTheSameThing(t *testing.T) {
	ours := readText(t, "kind: role\nversion: v5\nmetadata: {name: a}\nspec: {allow: {}}\n")
	sensus := readText(t, "type: Role\napi_version: access/v5\nmetadata: {name: a}\nspec: {allow: {}}\n")
	if diff := cmp.Diff(ours, sensus); diff != "" {
		t.Error(diff)
	}
}

func TestTheFilesOfPage003AreNamedAsLater(t *testing.T) {
	for _, kind := range []string{"Secret", "VaultProvider", "Handler", "Env"} {
		_, err := Read([]byte("---\ntype: " + kind + "\napi_version: secrets/v1\nmetadata:\n  name: x\n"))
		if err == nil || !strings.HasSuffix(err.Error(), "at line 2 is not supported by this version") {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestEveryDocumentComesBackFromYAMLAndJSON(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		for _, item := range readFile(t, file) {
			sameAfterWriting(t, item.Document)
		}
	}
}

func TestYAMLReadsWell(t *testing.T) {
	doc := readText(t, "version: v5\nspec:\n  allow: {request: {thresholds: [{deny: 1, approve: 2}], roles: [a], annotations: {b: \"8h\", c: 'no: yes'}}}\n"+
		"metadata: {name: r, labels: {z: 'true', a: '1'}}\nkind: role\n")[0].Document
	got, err := YAML(doc)
	if err != nil {
		t.Fatal(err)
	}
	want := `kind: role
version: v5
metadata:
  labels:
    a: "1"
    z: "true"
  name: r
spec:
  allow:
    request:
      annotations:
        b:
          - 8h
        c:
          - 'no: yes'
      roles:
        - a
      thresholds:
        - approve: 2
          deny: 1
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

// sameAfterWriting writes a document both ways and reads it again.
func sameAfterWriting(t *testing.T, doc core.Document) {
	t.Helper()
	for name, write := range map[string]func(core.Document) ([]byte, error){"YAML": YAML, "JSON": JSON} {
		text, err := write(doc)
		if err != nil {
			t.Fatalf("%s of %s: %v", name, doc.Name, err)
		}
		again, err := Read(text)
		if err != nil {
			t.Fatalf("%s of %s/%q: %v\n%s\n%s", name, doc.Kind, doc.Name, err, text, doc.Body)
		}
		if diff := cmp.Diff([]core.Document{doc}, documents(again)); diff != "" {
			t.Errorf("%s of %s:\n%s", name, doc.Name, diff)
		}
	}
}

func documents(items []Item) []core.Document {
	var docs []core.Document
	for _, i := range items {
		docs = append(docs, i.Document)
	}
	return docs
}

func readFile(t *testing.T, path string) []Item {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	items, err := Read(data)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return items
}

func readText(t *testing.T, text string) []Item {
	t.Helper()
	items, err := Read([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return items
}
