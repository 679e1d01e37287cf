package egress

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/internal/core"
)

// An Allow is what the configuration opens: ranges of addresses, and hosts with their port.
// The zero value opens nothing.
type Allow struct {
	ranges []netip.Prefix
	hosts  []string // "vault.example.com:8200", in lower case
}

// ParseAllow reads egress.allow. What is wrong is named.
func ParseAllow(entries []string) (Allow, error) {
	var out Allow
	for _, e := range entries {
		if p, err := netip.ParsePrefix(e); err == nil {
			out.ranges = append(out.ranges, p.Masked())
			continue
		}
		if a, err := netip.ParseAddr(e); err == nil && a.Zone() == "" {
			out.ranges = append(out.ranges, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		host, port, err := net.SplitHostPort(e)
		n, numErr := strconv.ParseUint(port, 10, 16)
		if err != nil || numErr != nil || n == 0 || host == "" || strings.ContainsAny(host, "/@ *") {
			return Allow{}, core.Errorf(core.Invalid, "egress.allow: %q is neither a range of addresses nor a host with its port", e).
				WithHint("write it like 10.20.0.0/16, 10.20.1.5 or vault.example.com:8200")
		}
		out.hosts = append(out.hosts, place(host, port))
	}
	return out, nil
}

func place(host, port string) string {
	return net.JoinHostPort(strings.ToLower(strings.TrimSuffix(host, ".")), port)
}

// opens reports whether an address that is shut for some reason is open to a host. What
// machines are told about themselves opens by name only: a wide range is not meant so.
func (a Allow) opens(host string, to netip.AddrPort, why block) bool {
	if slices.Contains(a.hosts, place(host, portText(to))) {
		return true
	}
	addr := to.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(a.ranges, func(p netip.Prefix) bool {
		return p.Contains(addr) && (!slices.Contains(own, why) || p.IsSingleIP())
	})
}

// Names reports whether the very host of a URL is opened: by its name and port, or by its
// address. A range opens a network and vouches for nobody in it.
func (a Allow) Names(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	port := strconv.Itoa(int(portOf(u)))
	if slices.Contains(a.hosts, place(u.Hostname(), port)) {
		return true
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && slices.ContainsFunc(a.ranges, func(p netip.Prefix) bool { return p.IsSingleIP() && p.Contains(ip.Unmap()) })
}
