package api

import (
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/sallyport/sallyport/client"
)

// What one call may look like, on every door.
const (
	maxURL     = 8 << 10 // bytes
	maxQuery   = 64      // parameters
	maxHeaders = 100
)

// How many calls a second are answered over the network. The socket has no such limits: who
// may use it can stop the server.
const (
	strangerRate, strangerBurst = 10, 30 // of an address, as long as nobody is known to call
	callerRate, callerBurst     = 200, 400
	maxBuckets                  = 10_000 // addresses and callers remembered at a time
)

// The reasons for which calls and connections are refused, as metrics name them.
const (
	refusedRate        = "rate"
	refusedConnections = "connections"
	refusedURL         = "url"
	refusedQuery       = "query"
	refusedHeader      = "header"
	refusedBody        = "body"
	refusedSlow        = "slow"
)

// limits bound what comes in over the network.
type limits struct {
	now       func() time.Time
	refused   func(reason string)
	strangers *buckets // by address: calls of whom nobody knows
	addresses *buckets // by address: calls that bring credentials
	callers   *buckets // by caller
}

func newLimits(refused func(string)) *limits {
	return &limits{
		now: time.Now, refused: refused,
		strangers: newBuckets(strangerRate, strangerBurst),
		addresses: newBuckets(callerRate, callerBurst),
		callers:   newBuckets(callerRate, callerBurst),
	}
}

// refuse counts a refusal and passes it on.
func (l *limits) refuse(reason string, p *Problem) error {
	l.refused(reason)
	return p
}

// admit looks at a call before anything is done for it.
func (l *limits) admit(w http.ResponseWriter, r *http.Request) error {
	if err := l.checkShape(r); err != nil {
		return err
	}
	switch {
	case local(r):
		return nil
	case openPath(r) || !credentials(r):
		return l.take(w, l.strangers, addressOf(r.RemoteAddr), "this address", "whoever is known has a wider limit")
	default:
		return l.take(w, l.addresses, addressOf(r.RemoteAddr), "this address", watchInstead)
	}
}

func (l *limits) checkShape(r *http.Request) error {
	fields := 0
	for _, values := range r.Header {
		fields += len(values)
	}
	switch {
	case len(r.RequestURI) > maxURL:
		return l.refuse(refusedURL, newProblem(http.StatusRequestURITooLong, client.KindInvalid,
			fmt.Sprintf("the URL has %d bytes; at most %d are read", len(r.RequestURI), maxURL), "send what is long in a body"))
	case strings.Count(r.URL.RawQuery, "&") >= maxQuery:
		return l.refuse(refusedQuery, newProblem(http.StatusBadRequest, client.KindInvalid,
			fmt.Sprintf("the URL has more than %d query parameters", maxQuery), "the parameters of every route are listed at /docs"))
	case fields > maxHeaders:
		return l.refuse(refusedHeader, newProblem(http.StatusRequestHeaderFieldsTooLarge, client.KindInvalid,
			fmt.Sprintf("there are %d header fields; at most %d are read", fields, maxHeaders), "is a proxy on the way that adds some?"))
	}
	return nil
}

// known charges a call to the caller that it turned out to be of.
func (l *limits) known(w http.ResponseWriter, r *http.Request) error {
	if local(r) {
		return nil
	}
	return l.take(w, l.callers, caller(r.Context()).Name(), "this caller", watchInstead)
}

// unknown charges a call to its address as a stranger's, once its credentials turned out to be
// worth nothing: those who guess get no further than those who bring none.
func (l *limits) unknown(w http.ResponseWriter, r *http.Request) error {
	if local(r) || !credentials(r) {
		return nil // charged already
	}
	return l.take(w, l.strangers, addressOf(r.RemoteAddr), "this address", "whoever is known has a wider limit")
}

const watchInstead = "to see changes as they come, read /v1/watch"

func (l *limits) take(w http.ResponseWriter, from *buckets, key, who, advice string) error {
	wait, ok := from.take(key, l.now())
	if ok {
		return nil
	}
	after := strconv.Itoa(int(math.Ceil(wait.Seconds())))
	w.Header().Set("Retry-After", after)
	return l.refuse(refusedRate, newProblem(http.StatusTooManyRequests, client.KindUnavailable,
		fmt.Sprintf("%s makes more calls than %v a second", who, from.rate), "wait "+after+" s; "+advice))
}

// local reports whether a call came through the socket.
func local(r *http.Request) bool {
	_, socket := r.Context().Value(peerKey{}).(peer)
	return socket
}

// openPath reports whether a path is answered to everybody, credentials or not.
func openPath(r *http.Request) bool {
	return r.URL.Path == "/healthz" || r.URL.Path == "/readyz"
}

// credentials reports whether a call brings any, good or bad.
func credentials(r *http.Request) bool {
	return r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" || r.TLS != nil && len(r.TLS.PeerCertificates) > 0
}

// addressOf is what counts as one address: a whole /64 of IPv6, which anybody can have.
func addressOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if ip = ip.Unmap().WithZone(""); ip.Is4() {
		return ip.String()
	}
	p, _ := ip.Prefix(64) // 64 is within IPv6
	return p.String()
}

// buckets are token buckets by name, so many at most. Those for whom there is no room share one.
type buckets struct {
	rate  rate.Limit
	burst int

	mu     sync.Mutex
	byName map[string]*rate.Limiter
	others *rate.Limiter
	swept  time.Time
}

func newBuckets(perSecond rate.Limit, burst int) *buckets {
	return &buckets{rate: perSecond, burst: burst, byName: map[string]*rate.Limiter{}, others: rate.NewLimiter(perSecond, burst)}
}

// take takes a token, or tells how long there will be none.
func (b *buckets) take(name string, now time.Time) (wait time.Duration, ok bool) {
	l := b.of(name, now)
	if l.AllowN(now, 1) {
		return 0, true
	}
	missing := 1 - l.TokensAt(now)
	return time.Duration(missing / float64(b.rate) * float64(time.Second)), false
}

func (b *buckets) of(name string, now time.Time) *rate.Limiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l, there := b.byName[name]; there {
		return l
	}
	if len(b.byName) >= maxBuckets && now.Sub(b.swept) >= time.Second {
		b.swept = now
		for n, l := range b.byName { // a full bucket is as good as none
			if l.TokensAt(now) >= float64(b.burst) {
				delete(b.byName, n)
			}
		}
	}
	if len(b.byName) >= maxBuckets {
		return b.others
	}
	l := rate.NewLimiter(b.rate, b.burst)
	b.byName[name] = l
	return l
}
