package egress

import (
	"net/netip"
	"net/url"
	"strconv"
)

// A block is a range of addresses that is not public.
type block struct {
	netip.Prefix
	what, rfc string
}

func (b block) String() string {
	if b.rfc == "" {
		return b.what
	}
	return b.what + " (" + b.rfc + ")"
}

func blocks(rows ...[3]string) []block {
	out := make([]block, len(rows))
	for i, r := range rows {
		out[i] = block{netip.MustParsePrefix(r[0]), r[1], r[2]}
	}
	return out
}

// own are the addresses at which a machine is told about itself, its credentials among it. No
// policy lets a URL lead there.
var own = blocks(
	[3]string{"169.254.0.0/16", "link-local, as cloud metadata is", "RFC 3927"},
	[3]string{"fe80::/10", "link-local", "RFC 4291"},
	[3]string{"fd00:ec2::254/128", "the cloud metadata of AWS", ""},
	[3]string{"fd20:ce::254/128", "the cloud metadata of Google Cloud", ""},
	[3]string{"fd00:c1::a9fe:a9fe/128", "the cloud metadata of Oracle Cloud", ""},
	[3]string{"192.0.0.192/32", "the cloud metadata of Oracle Cloud", ""},
	[3]string{"100.100.100.200/32", "the cloud metadata of Alibaba Cloud", ""},
	[3]string{"168.63.129.16/32", "the host agent of Azure", ""},
)

// notPublic are the special-purpose registries of IANA: RFC 6890 and its updates.
var notPublic = blocks(
	[3]string{"0.0.0.0/8", "this host", "RFC 1122"},
	[3]string{"10.0.0.0/8", "private", "RFC 1918"},
	[3]string{"100.64.0.0/10", "a carrier's own", "RFC 6598"},
	[3]string{"127.0.0.0/8", "loopback", "RFC 1122"},
	[3]string{"172.16.0.0/12", "private", "RFC 1918"},
	[3]string{"192.0.0.0/24", "for protocols", "RFC 6890"},
	[3]string{"192.0.2.0/24", "for documentation", "RFC 5737"},
	[3]string{"192.88.99.0/24", "a relay of 6to4", "RFC 7526"},
	[3]string{"192.168.0.0/16", "private", "RFC 1918"},
	[3]string{"198.18.0.0/15", "for benchmarks", "RFC 2544"},
	[3]string{"198.51.100.0/24", "for documentation", "RFC 5737"},
	[3]string{"203.0.113.0/24", "for documentation", "RFC 5737"},
	[3]string{"224.0.0.0/4", "multicast", "RFC 5771"},
	[3]string{"240.0.0.0/4", "reserved", "RFC 1112"},

	[3]string{"::/128", "unspecified", "RFC 4291"},
	[3]string{"::1/128", "loopback", "RFC 4291"},
	[3]string{"fc00::/7", "unique-local", "RFC 4193"},
	[3]string{"fec0::/10", "site-local", "RFC 3879"},
	[3]string{"ff00::/8", "multicast", "RFC 4291"},
	[3]string{"64:ff9b:1::/48", "a translator's own", "RFC 8215"},
	[3]string{"100::/64", "discarded", "RFC 6666"},
	[3]string{"2001::/23", "for protocols, Teredo among them", "RFC 2928, RFC 4380"},
	[3]string{"2001:db8::/32", "for documentation", "RFC 3849"},
	[3]string{"2002::/16", "6to4", "RFC 3056"},
	[3]string{"3fff::/20", "for documentation", "RFC 9637"},
)

var (
	globalUnicast = netip.MustParsePrefix("2000::/3")
	nat64         = netip.MustParsePrefix("64:ff9b::/96")
	compatible    = netip.MustParsePrefix("::/96")
	sixToFour     = netip.MustParsePrefix("2002::/16")
	teredo        = netip.MustParsePrefix("2001::/32")
)

// shut reports whether the policy keeps an address shut, and what the address is.
func (p Policy) shut(a netip.Addr) (why block, shut bool) {
	a = a.WithZone("")
	if inner, there := embedded(a); there {
		if why, shut := p.shut(inner); shut {
			return why, true
		}
		if a.Is4In6() || nat64.Contains(a) {
			return block{}, false // it is what it holds
		}
	}
	if why, found := find(own, a); found {
		return why, true
	}
	if p == Administrator {
		return block{}, false
	}
	if why, found := find(notPublic, a); found {
		return why, true
	}
	if !a.Is4() && !globalUnicast.Contains(a) {
		return block{what: "not in use in public"}, true
	}
	return block{}, false
}

func find(in []block, a netip.Addr) (block, bool) {
	for _, b := range in {
		if b.Contains(a) {
			return b, true
		}
	}
	return block{}, false
}

// embedded returns the IPv4 address that an IPv6 address stands for, or leads to.
func embedded(a netip.Addr) (netip.Addr, bool) {
	b := a.As16()
	switch {
	case a.Is4():
		return netip.Addr{}, false
	case a.Is4In6():
		return a.Unmap(), true
	case nat64.Contains(a): // RFC 6052
		return netip.AddrFrom4([4]byte(b[12:])), true
	case compatible.Contains(a) && b[12] != 0: // RFC 4291; ::1 and its like are no such
		return netip.AddrFrom4([4]byte(b[12:])), true
	case sixToFour.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case teredo.Contains(a): // the client's address is obfuscated (RFC 4380, 4)
		return netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}), true
	}
	return netip.Addr{}, false
}

func portOf(u *url.URL) uint16 {
	if n, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
		return uint16(n)
	}
	if u.Scheme == "https" {
		return 443
	}
	return 80
}

func portText(a netip.AddrPort) string { return strconv.Itoa(int(a.Port())) }
