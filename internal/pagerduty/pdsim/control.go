package pdsim

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// serveControl answers below /_sim/. Control calls are not among the calls.
func (s *Server) serveControl(w http.ResponseWriter, r *http.Request) {
	status, body, err := http.StatusForbidden, any(nil), s.mayControl(r)
	if err == nil {
		status, body, err = s.control(w, r)
	}
	d := newDraft()
	if err != nil {
		d.json(status, obj{"error": err.Error()})
	} else {
		d.json(status, body)
	}
	d.send(w)
}

// mayControl demands the token where there is one. Otherwise control is open on
// this machine only, and not to the web pages that its browsers show.
func (s *Server) mayControl(r *http.Request) error {
	if s.token != "" {
		given, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !bearer {
			given = r.URL.Query().Get("token")
		}
		if subtle.ConstantTimeCompare([]byte(given), []byte(s.token)) != 1 {
			return errors.New("the simulator's control needs its token: send Authorization: Bearer TOKEN")
		}
		return nil
	}
	if !loopback(r.Host) {
		return fmt.Errorf("without a token the simulator is controlled on this machine only, as 127.0.0.1 or localhost, not as %q", r.Host)
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "none" && site != "same-origin" {
		return errors.New("a web page of another site may not control the simulator")
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || u.Host != r.Host {
			return errors.New("a web page of another origin may not control the simulator")
		}
	}
	return nil
}

func loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback()
}

// control does what a control call asks for.
func (s *Server) control(w http.ResponseWriter, r *http.Request) (status int, body any, err error) {
	in, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16*maxBody))
	if err != nil {
		return http.StatusBadRequest, nil, fmt.Errorf("read the control call: %w", err)
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /_sim/calls":
		body = s.Calls()
	case "DELETE /_sim/calls":
		s.ClearCalls()
		body = obj{}
	case "POST /_sim/faults":
		body, err = obj{}, s.orderFault(in)
	case "DELETE /_sim/faults":
		s.ClearFaults()
		body = obj{}
	case "GET /_sim/state":
		body = s.state()
	case "PUT /_sim/state":
		err = s.putState(in)
		body = s.state()
	case "GET /_sim/clock":
		body = obj{"now": s.Now()}
	case "POST /_sim/clock":
		err = s.turnClock(in)
		body = obj{"now": s.Now()}
	case "GET /_sim/events":
		body = append([]Event{}, s.Events()...)
	case "GET /_sim/incidents":
		body = s.incidentsView()
	default:
		return http.StatusNotFound, nil, fmt.Errorf("%s %s is not a control call: there are calls, faults, state, clock, events and incidents", r.Method, r.URL.Path)
	}
	if err != nil {
		return http.StatusBadRequest, nil, err
	}
	return http.StatusOK, body, nil
}

// strict decodes one JSON value, and refuses members that it does not know.
func strict(in []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(in))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more after the JSON value")
	}
	return nil
}

func (s *Server) orderFault(in []byte) error {
	var order struct {
		Match struct {
			Method string `json:"method"`
			Path   string `json:"path"`
		} `json:"match"`
		When    string            `json:"when"`
		Status  int               `json:"status"`
		Body    any               `json:"body"`
		Headers map[string]string `json:"headers"`
		Delay   string            `json:"delay"`
		Drop    bool              `json:"drop"`
		Times   *int              `json:"times"`
	}
	if err := strict(in, &order); err != nil {
		return fmt.Errorf("read the fault: %w", err)
	}
	f := Fault{
		Method: order.Match.Method, Path: order.Match.Path, When: order.When, Status: order.Status,
		Body: order.Body, Headers: order.Headers, Drop: order.Drop,
	}
	if order.Times != nil {
		if *order.Times < 1 {
			return fmt.Errorf("times is %d: leave it out for ever, or say how often", *order.Times)
		}
		f.Times = *order.Times
	}
	if order.Delay != "" {
		d, err := time.ParseDuration(order.Delay)
		if err != nil {
			return fmt.Errorf("delay %q: write a duration such as 800ms", order.Delay)
		}
		f.Delay = d
	}
	return s.Fault(f)
}

func (s *Server) state() Data {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.account.data.clone()
}

// putState replaces what in names; a list that it leaves out stays as it is.
func (s *Server) putState(in []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := parseOver(in, s.account.data.clone())
	if err != nil {
		return err
	}
	return s.replace(d)
}

func (s *Server) turnClock(in []byte) error {
	var order struct {
		Now     *time.Time `json:"now"`
		Advance string     `json:"advance"`
	}
	if err := strict(in, &order); err != nil {
		return fmt.Errorf("read the clock's order: %w", err)
	}
	if (order.Now == nil) == (order.Advance == "") {
		return errors.New("give either now, as RFC 3339, or advance, as a duration such as 10m")
	}
	if order.Now != nil {
		s.SetNow(*order.Now)
		return nil
	}
	d, err := time.ParseDuration(order.Advance)
	if err != nil {
		return fmt.Errorf("advance %q: write a duration such as 10m", order.Advance)
	}
	s.Advance(d)
	return nil
}

// incidentsView shows all incidents as PagerDuty does, with their notes and history.
func (s *Server) incidentsView() []obj {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wake()
	return each(s.incidents, func(i *Incident) obj {
		o := s.incidentView(i, plain)
		o["notes"] = each(i.Notes, s.note)
		o["log_entries"] = each(i.Log, func(e LogEntry) obj { return s.logEntry(i, e) })
		o["alerts"] = each(i.Alerts, func(a Alert) obj { return s.alert(i, a) })
		return o
	})
}
