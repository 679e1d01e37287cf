package test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport/sallyport/test/world"
)

// A trap takes calls and keeps what they bring.
type trap struct {
	*httptest.Server
	mu  sync.Mutex
	got []string
}

func newTrap(t *testing.T) *trap {
	t.Helper()
	p := &trap{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.got = append(p.got, r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *trap) tokens() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.got...)
}

func TestB063ATokenIsSentToNoHostThatOnlyAnAdministratorByRoleHasNamed(t *testing.T) {
	t.Parallel()
	evil, vouched := newTrap(t), newTrap(t)
	s := start(t, "egress: {allow: [\""+strings.TrimPrefix(vouched.URL, "http://")+"\"]}")
	s.Account()
	s.Apply("{kind: user, version: v2, metadata: {name: root@example.com}, spec: {roles: [admin]}}")
	isReady(t, s)
	account := func(spec string) string {
		return "{kind: pagerduty_account, version: v1, metadata: {name: default}, spec: {" + spec + "}}"
	}
	wantRefused(t, s, []refusal{
		{"another host for the key", account(`api_token: "env:PD_TOKEN", rest_url: "` + evil.URL + `"`), words("--as root@example.com apply -f -"), 3, []string{"not PagerDuty's", evil.URL, "hint: name the host in the server's configuration, as in egress.allow"}},
		{"another host for something else", account(`api_token: "env:HOME", rest_url: "` + evil.URL + `"`), words("--as root@example.com apply -f -"), 3, []string{evil.URL}},
		{"a redirect in its URL", account(`api_token: "env:PD_TOKEN", rest_url: "https://api.pagerduty.com@` + strings.TrimPrefix(evil.URL, "http://") + `"`), words("--as root@example.com apply -f -"), 2, []string{"rest_url"}},
	})
	if r := s.Feed(account(`api_token: "env:PD_TOKEN", rest_url: "`+vouched.URL+`"`), "--as", "root@example.com", "apply", "-f", "-"); r.Status != 0 {
		t.Fatalf("a host of the configuration: %+v", r)
	}
	s.Run("doctor")
	if got := vouched.tokens(); len(got) == 0 || got[0] != "Token token="+world.Token {
		t.Errorf("the host of the configuration got %d calls", len(got))
	}
	if got := evil.tokens(); len(got) > 0 {
		t.Errorf("the other host got %d calls", len(got))
	}
}

func TestB054DoctorSaysWhyCloudMetadataIsNotCalled(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	s.Apply(`{kind: pagerduty_account, version: v1, metadata: {name: default}, spec: {api_token: "env:PD_TOKEN", rest_url: "http://169.254.169.254"}}`)
	r := s.Run("doctor")
	for _, want := range []string{"169.254.169.254 is not called: it is link-local, as cloud metadata is (RFC 3927)", `egress.allow: ["169.254.169.254:80"]`} {
		if !strings.Contains(r.Out, want) {
			t.Errorf("doctor does not say %q but:\n%s", want, r.Out)
		}
	}
	bad := world.New(t, program, nil, "egress: {allow: [example.com]}")
	p := bad.Launch()
	if status := p.Status(world.Patience); status != 2 || !strings.Contains(p.Log.String(), `egress.allow: "example.com" is neither a range of addresses nor a host with its port`) {
		t.Errorf("a wrong list: %d\n%s", status, p.Log)
	}
}

func TestF071AProxyThatIsNeededAndDeadIsNamed(t *testing.T) {
	t.Parallel()
	s := world.New(t, program, nil, "")
	s.Env = append(s.Env, "HTTPS_PROXY=http://127.0.0.1:1")
	s.Start()
	s.Apply(`{kind: pagerduty_account, version: v1, metadata: {name: default}, spec: {api_token: "env:PD_TOKEN"}}`)
	r := s.Run("doctor")
	for _, want := range []string{"the proxy 127.0.0.1:1 on the way to api.pagerduty.com does not answer", "see HTTPS_PROXY and NO_PROXY"} {
		if !strings.Contains(r.Out, want) {
			t.Errorf("doctor does not say %q but:\n%s", want, r.Out)
		}
	}
}
