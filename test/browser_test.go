package test

import (
	"context"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/sallyport/sallyport/test/world"
)

// A browser is a headless Chromium with an authenticator that always agrees.
type browser struct {
	context.Context
	t    *testing.T
	site string
}

func openBrowser(t *testing.T, s *world.Server) browser {
	t.Helper()
	_, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // it lives as long as the context of its first call
		t.Fatal(err)
	}
	b := browser{ctx, t, "http://localhost:" + port}
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		if _, err := cdp.Call(ctx, t, webauthn.Enable, webauthn.EnableParams{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, t, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		}})
		return err
	}))
	return b
}

func (b browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b, 15*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.picture()
		text, _ := chromedp.Run(b, chromedp.Evaluate[string]("location.href + ' ' + document.body.innerText"))
		b.t.Fatalf("%v; the page says: %s", err, text)
	}
	b.picture()
}

// picture keeps what is seen, where somebody wants to look at it.
func (b browser) picture() {
	dir := os.Getenv("SALLYPORT_PICTURES")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b, chromedp.FullScreenshot(100))
	if err != nil {
		return
	}
	f, err := os.CreateTemp(dir, time.Now().Format("150405.000")+"-*.png")
	if err == nil {
		_, _ = f.Write(png)
		_ = f.Close()
	}
}

// sees waits until a page says something.
func (b browser) sees(words string) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(`//*[contains(normalize-space(.), "` + words + `") and not(self::script)]`))
}

var linkPattern = regexp.MustCompile(`http://localhost:\S+/invite/\S+`)

// asvs: 6.3.3, 7.2.2, 7.4.4, 16.3.1
func TestSomebodyIsInvitedMakesAPasskeySignsOutAndInAndIsRefusedOnceLocked(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	r := s.Run("user", "add", "ann@example.com", "--roles", "auditor")
	link := linkPattern.FindString(r.Out)
	if r.Status != 0 || link == "" {
		t.Fatalf("user add: %+v", r)
	}
	b := openBrowser(t, s)
	b.do(chromedp.Navigate(link), chromedp.WaitEnabled(chromedp.CSS("button[data-passkey]")))
	b.sees("You are invited as ann@example.com")
	b.do(chromedp.Click(chromedp.CSS("button[data-passkey]")))
	b.sees("On call now")
	b.sees("Sign out")
	b.do(chromedp.Navigate(link))
	b.sees("this invitation was used")
	b.do(chromedp.Navigate(b.site+"/you"), chromedp.WaitVisible(chromedp.CSS("button[data-passkey]")))
	b.sees("auditor")
	b.do(chromedp.Click(chromedp.CSS(`form[action="/signout"] button`)), chromedp.WaitEnabled(chromedp.CSS(`button[data-passkey="/auth/passkey"]`)))
	b.do(chromedp.Navigate(b.site + "/requests/req_1?x=1"))
	b.do(chromedp.WaitEnabled(chromedp.CSS(`button[data-next="/requests/req_1?x=1"]`)))
	b.do(chromedp.Navigate(b.site+"/you"), chromedp.WaitEnabled(chromedp.CSS(`button[data-next="/you"]`)), chromedp.Click(chromedp.CSS("button[data-passkey]")))
	b.sees("Roles: auditor")
	if r := s.Run("user", "lock", "ann@example.com"); r.Status != 0 {
		t.Fatalf("lock: %+v", r)
	}
	b.do(chromedp.Navigate(b.site+"/you"), chromedp.WaitEnabled(chromedp.CSS(`button[data-passkey="/auth/passkey"]`)), chromedp.Click(chromedp.CSS("button[data-passkey]")))
	b.sees("this does not sign anybody in")
	if r := s.Run("audit", "list", "-o", "json"); !strings.Contains(r.Out, "session.begin.refused") {
		t.Errorf("the audit log does not say that ann was refused: %s", r.Out)
	}
}
