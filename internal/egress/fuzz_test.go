package egress

import (
	"net/http"
	"net/netip"
	"net/url"
	"testing"
)

// FuzzAddress holds every way to write an IPv4 address in IPv6 to the address itself.
func FuzzAddress(f *testing.F) {
	for _, a := range []uint32{0, 0x7f000001, 0x0a000001, 0xa9fea9fe, 0x08080808, 0xffffffff, 0x64646464} {
		f.Add(byte(a>>24), byte(a>>16), byte(a>>8), byte(a))
	}
	f.Fuzz(func(t *testing.T, a, b, c, d byte) {
		plain := netip.AddrFrom4([4]byte{a, b, c, d})
		for _, p := range []Policy{Public, Administrator} {
			_, want := p.shut(plain)
			for name, as := range map[string]netip.Addr{
				"mapped": netip.AddrFrom16(plain.As16()), "NAT64": netip.AddrFrom16([16]byte{0, 0x64, 0xff, 0x9b, 12: a, 13: b, 14: c, 15: d}),
			} {
				if _, got := p.shut(as); got != want {
					t.Errorf("%s is shut: %t; %s, %s: %t", plain, want, name, as, got)
				}
			}
			if _, got := p.shut(netip.AddrFrom16([16]byte{0x20, 0x02, a, b, c, d})); want && !got {
				t.Errorf("%s is shut, and not in 6to4", plain)
			}
		}
	})
}

// FuzzURL wants nothing to get past the look at a request that is no plain http URL.
func FuzzURL(f *testing.F) {
	for _, s := range []string{"http://a/", "http://user@127.0.0.1", "file:///etc/passwd", "http:a", "//a", "http://[::1]:x/", "http://[fe80::1%25eth0]/", "https://169.254.169.254", "HTTP://a", "http://a:99999/"} {
		f.Add(s)
	}
	g := &gate{dialer: dialer{policy: Public}}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s, http.NoBody)
		if err != nil || g.check(r) != nil {
			return
		}
		u, err := url.Parse(s)
		if err != nil || u.Host == "" || u.User != nil || u.Opaque != "" || u.Scheme != "http" && u.Scheme != "https" {
			t.Errorf("%q gets past", s)
		}
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
			if why, shut := Public.shut(ip); shut {
				t.Errorf("%q gets past, and is %s", s, why)
			}
		}
	})
}

func FuzzParseAllow(f *testing.F) {
	for _, s := range []string{"10.0.0.0/8", "10.0.0.1", "a:1", "[::1]:80", "::1", "fe80::1%x", "a:0", ":1", "*:80", "a b:80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAllow([]string{s})
		if err == nil && len(a.ranges)+len(a.hosts) != 1 {
			t.Errorf("%q is taken for nothing", s)
		}
	})
}
