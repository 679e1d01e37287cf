package egress

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
)

// names is a name server: what it answers to the nth question for the addresses of a name. No
// answer at all where it returns false.
type names func(name string, nth int) (a []netip.Addr, code byte, answers bool)

// resolver asks the name server over a pipe, as over TCP.
func (n names) resolver(t *testing.T) *net.Resolver {
	t.Helper()
	var mu sync.Mutex
	asked := map[string]int{}
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go func() { // it ends with the question
			defer there.Close()
			var size [2]byte
			for {
				if _, err := io.ReadFull(there, size[:]); err != nil {
					return
				}
				q := make([]byte, binary.BigEndian.Uint16(size[:]))
				if _, err := io.ReadFull(there, q); err != nil {
					return
				}
				name, end := question(q)
				kind := q[end-3]
				mu.Lock()
				if kind == 1 {
					asked[name]++
				}
				nth := asked[name]
				mu.Unlock()
				addrs, code, answers := n(name, nth)
				if !answers {
					continue
				}
				r := reply(q[:end], addrs, code, kind)
				_, _ = there.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(r))), r...))
			}
		}()
		return here, nil
	}}
}

// question reads the name that is asked for, and where the question ends.
func question(q []byte) (name string, end int) {
	i := 12
	var labels []string
	for q[i] != 0 {
		labels = append(labels, string(q[i+1:i+1+int(q[i])]))
		i += 1 + int(q[i])
	}
	return strings.ToLower(strings.Join(labels, ".")), i + 5
}

func reply(q []byte, addrs []netip.Addr, code, kind byte) []byte {
	r := append([]byte{}, q...)
	r[2], r[3] = 0x84, 0x80|code // an authoritative answer
	copy(r[6:12], make([]byte, 6))
	for _, a := range addrs {
		if a.Is4() != (kind == 1) {
			continue
		}
		r[7]++
		r = append(r, 0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 0)
		r = binary.BigEndian.AppendUint16(r, uint16(len(a.AsSlice())))
		r = append(r, a.AsSlice()...)
	}
	return r
}

// always answers every question with the same.
func always(addrs ...string) names {
	return func(string, int) (out []netip.Addr, _ byte, _ bool) {
		for _, a := range addrs {
			out = append(out, netip.MustParseAddr(a))
		}
		return out, 0, true
	}
}
