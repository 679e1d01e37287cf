package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// fakeCluster is the part of Kubernetes that keeps secrets.
type fakeCluster struct {
	t       *testing.T
	secrets map[string]secretBody
}

func (f *fakeCluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const path = "/api/v1/namespaces/ops/secrets"
	if r.Header.Get("Authorization") != "Bearer t0ken" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var in secretBody
	if r.Method != http.MethodGet {
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			f.t.Error(err)
		}
	}
	_, there := f.secrets[r.URL.Path]
	switch {
	case r.Method == http.MethodPost && r.URL.Path == path:
		f.secrets[path+"/"+in.Metadata["name"]] = in
	case !there:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodPatch && r.Header.Get("Content-Type") == "application/merge-patch+json":
		f.secrets[r.URL.Path] = in
	case r.Method == http.MethodGet:
		_ = json.NewEncoder(w).Encode(f.secrets[r.URL.Path])
	}
}

func TestAnIdentityIsKeptInASecretOfKubernetes(t *testing.T) {
	f := &fakeCluster{t: t, secrets: map[string]secretBody{}}
	server := httptest.NewServer(f)
	defer server.Close()
	token := "t0ken"
	k := &kubernetesSecret{base: server.URL, namespace: "ops", name: "id", http: server.Client(), token: func() (string, error) { return token, nil }}
	file, back := filepath.Join(t.TempDir(), "identity"), filepath.Join(t.TempDir(), "identity")
	if err := k.fetch(t.Context(), back); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(back); err == nil {
		t.Error("something was fetched where nothing is")
	}
	for _, text := range []string{"made", "changed"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := k.store(t.Context(), file); err != nil {
			t.Fatal(err)
		}
		if err := k.fetch(t.Context(), back); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(back); string(got) != text || err != nil {
			t.Errorf("fetched %q, %v", got, err)
		}
	}
	token = "old"
	if err := k.store(t.Context(), file); err == nil {
		t.Error("stored without a right")
	}
}
