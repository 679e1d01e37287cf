package pdsim

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// When a fault strikes.
const (
	Before = "before" // wait, then answer the fault without acting; with a delay alone, act
	After  = "after"  // act, then wait, drop or answer the fault
)

// A Fault is trouble ordered for the calls that match Method and Path.
type Fault struct {
	Method  string            // any when empty
	Path    string            // exact, "*" stands for one segment; any when empty
	When    string            // Before (the default) or After
	Status  int               // what to answer; 429 without a body is PagerDuty's own 429
	Body    any               // a string is sent as it is, anything else as JSON; nil: what PagerDuty says with Status
	Headers map[string]string // sent with the answer; a Content-Length that is too long cuts it short
	Delay   time.Duration     // real time, not the simulator's
	Drop    bool              // close the connection without an answer
	Times   int               // how many calls it strikes; 0 means for ever
}

// check says what is wrong with an order.
func (f *Fault) check() error {
	if f.When == "" {
		f.When = Before
	}
	switch {
	case f.When != Before && f.When != After:
		return fmt.Errorf("when is %q: use before or after", f.When)
	case f.Path != "" && !strings.HasPrefix(f.Path, "/"):
		return fmt.Errorf("path %q does not begin with /", f.Path)
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("status %d is not between 200 and 599", f.Status)
	case f.Delay < 0 || f.Times < 0:
		return fmt.Errorf("delay and times cannot be negative")
	case f.Status == 0 && f.Body == nil && f.Delay == 0 && !f.Drop:
		return fmt.Errorf("the fault does nothing: give a status, a body, a delay or drop")
	}
	return nil
}

// answers reports whether the fault has an answer of its own.
func (f *Fault) answers() bool { return f.Status != 0 || f.Body != nil }

func (f *Fault) matches(r *http.Request) bool {
	return (f.Method == "" || strings.EqualFold(f.Method, r.Method)) && (f.Path == "" || matchPath(f.Path, r.URL.Path))
}

func matchPath(pattern, path string) bool {
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return false
	}
	for i := range want {
		if want[i] != "*" && want[i] != have[i] {
			return false
		}
	}
	return true
}

// Fault orders trouble. Of several that match a call, the oldest strikes.
func (s *Server) Fault(f Fault) error {
	if err := f.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
	return nil
}

// ClearFaults takes all orders back. A call that is already waiting goes on.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// takeFault returns the fault for this call, and counts it.
func (s *Server) takeFault(r *http.Request) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if !f.matches(r) {
			continue
		}
		if f.Times == 1 {
			s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
		} else if f.Times > 1 {
			f.Times--
		}
		return *f, true
	}
	return Fault{}, false
}

// faultAnswer is what the fault says in PagerDuty's place.
func (s *Server) faultAnswer(f Fault, r *http.Request) *draft {
	d := newDraft()
	status := f.Status
	if status == 0 {
		status = http.StatusOK
	}
	switch body := f.Body.(type) {
	case nil:
		s.spokenFault(d, status, r)
	case string:
		d.WriteHeader(status)
		d.body.WriteString(body)
	default:
		d.json(status, body)
	}
	for k, v := range f.Headers {
		d.header.Set(k, v)
	}
	return d
}

// spokenFault writes what PagerDuty says with a status. Its load balancers
// speak HTML.
func (s *Server) spokenFault(d *draft, status int, r *http.Request) {
	switch {
	case status == http.StatusTooManyRequests && isEvents(r):
		d.json(status, throttled)
	case status == http.StatusTooManyRequests:
		s.mu.Lock()
		s.exhausted(d.header)
		s.mu.Unlock()
		d.fail(failRateLimit)
	case status >= 502 && status <= 504:
		d.header.Set("Content-Type", "text/html")
		d.WriteHeader(status)
		fmt.Fprintf(&d.body, "<html><head><title>%d %[2]s</title></head><body><center><h1>%[1]d %[2]s</h1></center></body></html>\n", status, http.StatusText(status))
	case status < 300:
		d.WriteHeader(status)
	default:
		d.fail(failureFor(status))
	}
}
