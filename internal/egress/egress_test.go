package egress

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

const canary = "c4n4ry-of-the-body"

// inside is a server that nobody below administrator may reach. It counts who does.
func inside(t *testing.T) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	var reached atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached.Add(1)
		_, _ = io.WriteString(w, canary)
	}))
	t.Cleanup(s.Close)
	return s, &reached
}

func port(s *httptest.Server) string { return s.URL[strings.LastIndexByte(s.URL, ':')+1:] }

func client(t *testing.T, o Options) *http.Client {
	t.Helper()
	c := NewClient(o)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// call makes a call and gives back what came of it.
func call(t *testing.T, c *http.Client, address string) (string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		return "", err // no call at all
	}
	res, err := c.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return fmt.Sprint(res.StatusCode, " ", string(b)), err
}

// wantRefused wants an error in words, with a hint, and without anything of an answer.
func wantRefused(t *testing.T, address string, err error, says string) {
	t.Helper()
	var shown *core.Error
	switch {
	case err == nil:
		t.Errorf("%s was called", address)
	case strings.Contains(err.Error(), canary):
		t.Errorf("%s: the error repeats the answer: %v", address, err)
	case !strings.Contains(err.Error(), says):
		t.Errorf("%s: %v; it does not say %q", address, err, says)
	case !as(err, &shown) || shown.Hint == "":
		t.Errorf("%s: no hint: %v", address, err)
	}
}

// asvs: 1.3.6, 13.2.4, 13.2.5
func TestB054CloudMetadataIsNeverReached(t *testing.T) {
	for _, p := range []Policy{Public, Administrator} {
		c := client(t, Options{Policy: p, Resolver: always("169.254.169.254").resolver(t)})
		for _, address := range []string{
			"http://169.254.169.254/latest/meta-data/", "http://metadata.example/latest/meta-data/", "http://[::ffff:169.254.169.254]/",
			"http://[64:ff9b::a9fe:a9fe]/", "http://[2002:a9fe:a9fe::]/", "http://[fe80::1]/", "http://100.100.100.200/", "http://168.63.129.16/", "http://192.0.0.192/",
		} {
			_, err := call(t, c, address)
			wantRefused(t, address, err, "is not called")
		}
		put, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://169.254.169.254/latest/api/token", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(put)
		if err == nil {
			res.Body.Close()
		}
		wantRefused(t, "PUT", err, "cloud metadata")
	}
}

func TestB055CloudMetadataOverIPv6IsNeverReached(t *testing.T) {
	for _, p := range []Policy{Public, Administrator} {
		for _, host := range []string{"fd00:ec2::254", "fd20:ce::254", "fd00:c1::a9fe:a9fe"} {
			_, err := call(t, client(t, Options{Policy: p}), "http://["+host+"]/")
			wantRefused(t, host, err, "cloud metadata")
			_, err = call(t, client(t, Options{Policy: p, Resolver: always(host).resolver(t)}), "http://metadata.example/")
			wantRefused(t, "a name of "+host, err, "cloud metadata")
		}
	}
}

// asvs: 1.3.6
func TestB056NoSpellingOfLoopbackIsReached(t *testing.T) {
	s, reached := inside(t)
	c := client(t, Options{Resolver: always("127.0.0.1").resolver(t)})
	for _, host := range []string{"127.0.0.1", "localhost", "localhost.", "LOCALHOST", "0.0.0.0", "127.0.0.1.nip.example", "①②⑦.0.0.1"} {
		_, err := call(t, c, "http://"+host+":"+port(s)+"/")
		wantRefused(t, host, err, "this URL may lead to public addresses only")
	}
	for _, host := range []string{"0", "127.1", "127.0.1"} { // not even asked for
		_, err := call(t, c, "http://"+host+":"+port(s)+"/")
		wantRefused(t, host, err, "there is no host "+host)
	}
	if n := reached.Load(); n > 0 {
		t.Errorf("reached %d times", n)
	}
	own := client(t, Options{Policy: Administrator})
	if got, err := call(t, own, s.URL); got != "200 "+canary {
		t.Errorf("an administrator's URL: %q, %v", got, err)
	}
}

func TestB057NoIPv6SpellingOfLoopbackIsReached(t *testing.T) {
	s, reached := inside(t)
	c := client(t, Options{})
	for _, host := range []string{
		"::1", "::", "::ffff:127.0.0.1", "::ffff:7f00:1", "64:ff9b::7f00:1", "64:ff9b::127.0.0.1", "::127.0.0.1", "2002:7f00:1::", "2001:0:0:0:0:0:80ff:fffe",
		"fc00::1", "fd12:3456::1", "fec0::1", "ff02::1", "2001:db8::1", "64:ff9b:1::1", "64:ff9b::a00:1", "4000::1",
	} {
		_, err := call(t, c, "http://["+host+"]:"+port(s)+"/")
		wantRefused(t, host, err, "this URL may lead to public addresses only")
		named := client(t, Options{Resolver: always(host).resolver(t)})
		_, err = call(t, named, "http://name.example:"+port(s)+"/")
		wantRefused(t, "a name of "+host, err, "name.example is not called")
	}
	if n := reached.Load(); n > 0 {
		t.Errorf("reached %d times", n)
	}
}

func TestB058NumbersAreNoWayRoundThePolicy(t *testing.T) {
	s, reached := inside(t)
	c := client(t, Options{Resolver: always("127.0.0.1").resolver(t)})
	for host, says := range map[string]string{
		"2130706433": "there is no host", "017700000001": "there is no host", "0177.0.0.1": "there is no host", "127.0.0.01": "there is no host",
		"0x7f.1": "127.0.0.1 is loopback", "0x7f000001": "127.0.0.1 is loopback", // names like any other
	} {
		_, err := call(t, c, "http://"+host+":"+port(s)+"/")
		wantRefused(t, host, err, says)
	}
	if n := reached.Load(); n > 0 {
		t.Errorf("reached %d times", n)
	}
}

// asvs: 1.1.1, 1.2.2
func TestB059NoURLIsReadInTwoWays(t *testing.T) {
	s, reached := inside(t)
	for _, p := range []Policy{Public, Administrator} {
		c := client(t, Options{Policy: p, Resolver: always("127.0.0.1").resolver(t)})
		for _, address := range []string{
			"http://user@evil@127.0.0.1:" + port(s), "http://evil.example@127.0.0.1:" + port(s), "http://user:pw@127.0.0.1:" + port(s) + "/",
			`http://127.0.0.1:` + port(s) + `\@evil.example`, "http://127.0.0.1:" + port(s) + "\r\nHost: evil", "http:///path", "http:127.0.0.1:" + port(s), "http://%31%32%37.0.0.1@:" + port(s),
		} {
			if got, err := call(t, c, address); err == nil || strings.Contains(err.Error(), canary) {
				t.Errorf("%q: %q, %v", address, got, err)
			}
		}
	}
	_, err := call(t, client(t, Options{Resolver: always("127.0.0.1").resolver(t)}), "http://evil.example:"+port(s)+"#@127.0.0.1")
	wantRefused(t, "a fragment", err, "evil.example is not called")
	if n := reached.Load(); n > 0 {
		t.Errorf("reached %d times", n)
	}
}

// asvs: 1.3.6
func TestB061ANameThatChangesItsMindIsJudgedByTheAddressThatIsConnected(t *testing.T) {
	s, reached := inside(t)
	first := func(name string, nth int) ([]netip.Addr, byte, bool) {
		if nth == 1 { // whoever looks first sees a good address
			return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, 0, true
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, 0, true
	}
	resolver := names(first).resolver(t)
	if got, err := resolver.LookupNetIP(t.Context(), "ip4", "rebind.example"); err != nil || got[0].String() != "192.0.2.1" {
		t.Fatalf("the first look: %v, %v", got, err)
	}
	_, err := call(t, client(t, Options{Resolver: resolver}), "http://rebind.example:"+port(s)+"/")
	wantRefused(t, "the second answer", err, "127.0.0.1 is loopback")
	// One answer with both.
	_, err = call(t, client(t, Options{Resolver: always("127.0.0.1", "::1").resolver(t)}), "http://both.example:"+port(s)+"/")
	wantRefused(t, "both", err, "both.example is not called")
	if n := reached.Load(); n > 0 {
		t.Errorf("reached %d times", n)
	}
}

func TestB062OnlyHTTPIsSpoken(t *testing.T) {
	for _, p := range []Policy{Public, Administrator} {
		for _, address := range []string{"gopher://127.0.0.1/", "file:///etc/passwd", "unix:/var/run/docker.sock", "ftp://127.0.0.1/", "jar:http://127.0.0.1/x", "HTTPS+unix://x/", "ws://127.0.0.1/", "data:text/plain,x", "//127.0.0.1/"} {
			_, err := call(t, client(t, Options{Policy: p}), address)
			wantRefused(t, address, err, "is not called")
		}
	}
}

// asvs: 15.3.2
func TestARedirectIsGivenBackAndOneToAnotherHostIsAnError(t *testing.T) {
	s, reached := inside(t)
	from := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := "/elsewhere"
		if r.URL.Path == "/away" {
			to = s.URL
		}
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
	}))
	t.Cleanup(from.Close)
	c := client(t, Options{Policy: Administrator})
	if got, err := call(t, c, from.URL+"/here"); err != nil || !strings.HasPrefix(got, "307 ") {
		t.Errorf("on the same host: %q, %v", got, err)
	}
	_, err := call(t, c, from.URL+"/away")
	wantRefused(t, "another host", err, "redirects to "+s.URL+", which is not followed")
	if reached.Load() > 0 {
		t.Error("it was followed")
	}
}

// asvs: 13.2.4
func TestTheConfigurationOpensAddressesAndHosts(t *testing.T) {
	s, _ := inside(t)
	resolver := always("127.0.0.1").resolver(t)
	tests := []struct {
		allow, address string
		open           bool
	}{
		{"127.0.0.1", s.URL, true},
		{"127.0.0.0/8", s.URL, true},
		{"127.0.0.0/8", "http://name.example:" + port(s), true},
		{"::ffff:127.0.0.1", s.URL, false}, // write the address that is meant
		{"name.example:" + port(s), "http://name.example:" + port(s), true},
		{"Name.Example:" + port(s), "http://NAME.example.:" + port(s), true},
		{"name.example:" + port(s), "http://other.example:" + port(s), false},
		{"name.example:" + port(s), s.URL, false},
		{"name.example:1", "http://name.example:" + port(s), false},
		{"127.0.0.1:" + port(s), s.URL, true},
		{"10.0.0.0/8", s.URL, false},
	}
	for _, tt := range tests {
		allow, err := ParseAllow([]string{tt.allow})
		if err != nil {
			t.Fatal(err)
		}
		got, err := call(t, client(t, Options{Allow: allow, Resolver: resolver}), tt.address)
		if open := got == "200 "+canary; open != tt.open {
			t.Errorf("%s for %s: %q, %v", tt.allow, tt.address, got, err)
		}
	}
}

func TestARangeVouchesForNobodyInIt(t *testing.T) {
	a, err := ParseAllow([]string{"10.0.0.0/8", "192.0.2.7", "proxy.example.com:443", "sim:8099"})
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"https://proxy.example.com": true, "https://PROXY.example.com.:443/x": true, "http://192.0.2.7:81": true, "http://sim:8099": true,
		"http://proxy.example.com": false, "https://10.0.0.1": false, "http://sim": false, "https://a.proxy.example.com": false, "https://192.0.2.8": false, ":": false, "": false,
	} {
		if got := a.Names(address); got != want {
			t.Errorf("%q: %t", address, got)
		}
	}
}

func TestMetadataOpensByNameOnly(t *testing.T) {
	for allow, open := range map[string]bool{"0.0.0.0/0": false, "169.254.0.0/16": false, "169.254.169.254": true, "169.254.169.254/32": true, "169.254.169.254:80": true} {
		a, err := ParseAllow([]string{allow})
		if err != nil {
			t.Fatal(err)
		}
		d := dialer{policy: Administrator, allow: a}
		if err := d.judge("169.254.169.254", netip.MustParseAddrPort("169.254.169.254:80")); (err == nil) != open {
			t.Errorf("%s: %v", allow, err)
		}
	}
}

func TestWhatIsWrongInTheAllowListIsNamed(t *testing.T) {
	for _, entry := range []string{"", "example.com", "example.com:", ":80", "example.com:0", "example.com:http", "10.0.0.0/33", "*.example.com:443", "https://example.com:443", "fe80::1%eth0", "a@b:80"} {
		_, err := ParseAllow([]string{"10.0.0.0/8", entry})
		if core.KindOf(err) != core.Invalid || !strings.Contains(err.Error(), fmt.Sprintf("%q", entry)) {
			t.Errorf("%q: %v", entry, err)
		}
	}
}

func TestPublicAddressesAreOpen(t *testing.T) {
	for _, a := range []string{"1.1.1.1", "8.8.8.8", "52.1.2.3", "172.32.0.1", "192.169.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1", "64:ff9b::808:808", "::ffff:8.8.8.8"} {
		if why, shut := Public.shut(netip.MustParseAddr(a)); shut {
			t.Errorf("%s is shut: %s", a, why)
		}
	}
	for _, b := range append(append([]block{}, own...), notPublic...) {
		if _, shut := Public.shut(b.Addr()); !shut {
			t.Errorf("%s is open", b.Prefix)
		}
	}
	for _, a := range []string{"10.0.0.1", "127.0.0.1", "::1", "fd12::1", "192.168.1.1"} {
		if why, shut := Administrator.shut(netip.MustParseAddr(a)); shut {
			t.Errorf("%s is shut for administrators: %s", a, why)
		}
	}
}

func TestF069ANameThatIsNotThereIsSaidSo(t *testing.T) {
	for code, says := range map[byte]string{3: "there is no host gone.example", 2: "the name server fails"} {
		resolver := names(func(string, int) ([]netip.Addr, byte, bool) { return nil, code, true }).resolver(t)
		_, err := call(t, client(t, Options{Policy: Administrator, Resolver: resolver}), "http://gone.example/")
		wantRefused(t, "gone.example", err, says)
		if core.KindOf(err) != core.Unavailable {
			t.Errorf("kind %s", core.KindOf(err))
		}
	}
}

func TestF069ASlowNameServerCostsThreeSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		resolver := names(func(string, int) ([]netip.Addr, byte, bool) { return nil, 0, false }).resolver(t)
		began := time.Now()
		_, err := call(t, client(t, Options{Policy: Administrator, Resolver: resolver}), "http://slow.example/")
		wantRefused(t, "slow.example", err, "the name slow.example was not resolved within 3s")
		if took := time.Since(began); took > 3100*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		time.Sleep(time.Minute) // the resolver gives up later than we
	})
}

func TestF069OneFamilyThatIsDeadDoesNotKeepTheOther(t *testing.T) {
	s, _ := inside(t)
	// Nobody answers at the IPv6 address of the name; there is no route, or the discard prefix.
	c := client(t, Options{Policy: Administrator, Resolver: always("100::1", "127.0.0.1").resolver(t)})
	ctx, cancel := context.WithTimeout(t.Context(), dialTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://both.example:"+port(s), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
}
