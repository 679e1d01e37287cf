package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// serviceAccount is where a pod has what it needs to call its cluster.
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

// A kubernetesSecret is a secret of the cluster that the program runs in. Its key identity is
// the identity file.
type kubernetesSecret struct {
	base, namespace, name string
	token                 func() (string, error) // read anew each time: it is renewed there
	http                  *http.Client
}

// inCluster finds the cluster's API as a pod does.
func inCluster(name string) (*kubernetesSecret, error) {
	namespace, secret, found := strings.Cut(name, "/")
	if !found || namespace == "" || secret == "" || strings.Contains(secret, "/") {
		return nil, misuse("%q does not name a secret", name).WithHint("write --out kubernetes-secret:NAMESPACE/NAME")
	}
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	authority, err := os.ReadFile(filepath.Join(serviceAccount, "ca.crt"))
	if host == "" || port == "" || err != nil {
		return nil, core.Errorf(core.Unavailable, "this is no pod of a cluster: it has no service account").
			WithHint("run it in a pod with automountServiceAccountToken, and a role that may get, create and patch that secret")
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	return &kubernetesSecret{
		base: "https://" + net.JoinHostPort(host, port), namespace: namespace, name: secret,
		token: func() (string, error) {
			b, err := os.ReadFile(filepath.Join(serviceAccount, "token"))
			return strings.TrimSpace(string(b)), err
		},
		http: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}},
	}, nil
}

type secretBody struct {
	APIVersion string            `json:"apiVersion,omitempty"`
	Kind       string            `json:"kind,omitempty"`
	Metadata   map[string]string `json:"metadata,omitempty"`
	Data       map[string][]byte `json:"data,omitempty"`
}

// fetch writes the identity that the secret holds to a file, where it holds one.
func (k *kubernetesSecret) fetch(ctx context.Context, file string) error {
	var found secretBody
	status, err := k.call(ctx, http.MethodGet, k.path(k.name), "", nil, &found)
	if status == http.StatusNotFound || err == nil && len(found.Data["identity"]) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	return os.WriteFile(file, found.Data["identity"], 0o600)
}

// store puts an identity file into the secret, which it makes where there is none.
func (k *kubernetesSecret) store(ctx context.Context, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	body := secretBody{Data: map[string][]byte{"identity": text}}
	status, err := k.call(ctx, http.MethodPatch, k.path(k.name), "application/merge-patch+json", body, nil)
	if status != http.StatusNotFound {
		return err
	}
	body.APIVersion, body.Kind, body.Metadata = "v1", "Secret", map[string]string{"name": k.name}
	_, err = k.call(ctx, http.MethodPost, k.path(""), "application/json", body, nil)
	return err
}

func (k *kubernetesSecret) path(name string) string {
	p := "/api/v1/namespaces/" + url.PathEscape(k.namespace) + "/secrets"
	if name != "" {
		p += "/" + url.PathEscape(name)
	}
	return p
}

// call makes one call. What the cluster answers is not repeated: it may hold the secret.
func (k *kubernetesSecret) call(ctx context.Context, method, path, media string, in, out any) (status int, err error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return 0, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, k.base+path, body)
	if err != nil {
		return 0, err
	}
	token, err := k.token()
	if err != nil {
		return 0, fmt.Errorf("read the token of the service account: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	res, err := k.http.Do(req)
	if err != nil {
		return 0, core.Errorf(core.Unavailable, "the cluster does not answer: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode >= http.StatusMultipleChoices {
		return res.StatusCode, core.Errorf(core.Unavailable, "the cluster answers %s to %s of secret %s/%s", res.Status, method, k.namespace, k.name).
			WithHint("the pod's service account needs a role that may get, create and patch that secret")
	}
	if out == nil {
		return res.StatusCode, nil
	}
	return res.StatusCode, errors.Join(json.NewDecoder(io.LimitReader(res.Body, 2<<20)).Decode(out))
}
