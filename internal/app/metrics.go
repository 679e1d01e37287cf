package app

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/pagerduty"
)

// Metrics counts what happens, for Prometheus. No label carries a person's name.
type Metrics struct {
	registry  *prometheus.Registry
	decisions *prometheus.CounterVec
	ended     *prometheus.CounterVec
	lag       prometheus.Histogram
	overdue   prometheus.Gauge
	pending   prometheus.Gauge
	open      prometheus.Gauge
	calls     *prometheus.HistogramVec
	refused   *prometheus.CounterVec
	denied    *prometheus.CounterVec
	issued    *prometheus.CounterVec
	signIns   *prometheus.CounterVec
}

// NewMetrics returns metrics in a registry of their own.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sallyport_decisions_total", Help: "Requests decided, by final state and by whether on-call status decided.",
		}, []string{"state", "automatic"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sallyport_grants_ended_total", Help: "Grants whose access is gone, by cause.",
		}, []string{"cause"}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sallyport_revoke_lag_seconds", Help: "From the end of a grant's time to the moment its access was seen to be gone.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
		}),
		overdue: gauge("sallyport_grants_overdue", "Grants that ended over a minute ago and whose access is still there."),
		pending: gauge("sallyport_requests_pending", "Requests that wait for a decision."),
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sallyport_pagerduty_call_seconds", Help: "Calls to PagerDuty, by operation and HTTP status (0: no answer).",
			Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"account", "op", "status"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sallyport_http_refused_total", Help: "Calls and connections beyond a limit, by which.",
		}, []string{"reason"}),
		denied: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sallyport_denied_total", Help: "What callers who are known were not allowed to do, by action.",
		}, []string{"action"}),
		issued: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sallyport_certificates_issued_total", Help: "Certificates given to callers, by what they were given for.",
		}, []string{"action"}),
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sallyport_sign_ins_total", Help: "Sign-ins with a browser, by method and outcome.",
		}, []string{"method", "outcome"}),
		open: gauge("sallyport_incidents_unfinished", "Incidents that PagerDuty has not been told everything about."),
	}
	m.registry.MustRegister(m.decisions, m.ended, m.lag, m.overdue, m.pending, m.open, m.calls, m.refused, m.denied, m.issued, m.signIns,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Decided counts a decision.
func (m *Metrics) Decided(state core.RequestState, automatic bool) {
	m.decisions.WithLabelValues(string(state), strconv.FormatBool(automatic)).Inc()
}

// Ended counts a grant that ended, and how late its access was gone.
func (m *Metrics) Ended(cause core.EndCause, lag time.Duration) {
	m.ended.WithLabelValues(string(cause)).Inc()
	if cause == core.EndTime {
		m.lag.Observe(lag.Seconds())
	}
}

// Overdue sets how many grants' access should be gone and is not.
func (m *Metrics) Overdue(n int) { m.overdue.Set(float64(n)) }

// Waiting sets how many requests and incidents have work left.
func (m *Metrics) Waiting(pending, unfinished int) {
	m.pending.Set(float64(pending))
	m.open.Set(float64(unfinished))
}

// Called counts one call to PagerDuty.
func (m *Metrics) Called(c pagerduty.Call) {
	m.calls.WithLabelValues(c.Account, c.Op, strconv.Itoa(c.Status)).Observe(c.Duration.Seconds())
}

// SignedIn counts a sign-in with a browser.
func (m *Metrics) SignedIn(method string, ok bool) {
	m.signIns.WithLabelValues(method, map[bool]string{true: "ok", false: "refused"}[ok]).Inc()
}

// Refused counts a call or a connection that is beyond a limit.
func (m *Metrics) Refused(reason string) { m.refused.WithLabelValues(reason).Inc() }

// Denied counts what a known caller was not allowed to do.
func (m *Metrics) Denied(action string) { m.denied.WithLabelValues(action).Inc() }

// Watch reads the accounts, the jobs and the database whenever metrics are asked for.
func (m *Metrics) Watch(accounts func() []pagerduty.Status, queue func() (waiting int, oldest time.Duration), commits func() int64) {
	m.registry.MustRegister(&watched{accounts: accounts, queue: queue, commits: commits})
}

// WatchAuthority tells when the certificate authority ends, whenever metrics are asked for.
func (m *Metrics) WatchAuthority(until func() time.Time) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sallyport_ca_expiry_timestamp_seconds", Help: "When the newest key of the certificate authority ends; 0: there is none.",
	}, func() float64 {
		if at := until(); !at.IsZero() {
			return float64(at.Unix())
		}
		return 0
	}))
}

// Issued counts a certificate that was given to a caller.
func (m *Metrics) Issued(action string) { m.issued.WithLabelValues(action).Inc() }

// watched are the metrics that are read when asked for.
type watched struct {
	accounts func() []pagerduty.Status
	queue    func() (waiting int, oldest time.Duration)
	commits  func() int64
}

var (
	syncAge   = desc("sallyport_oncall_sync_age_seconds", "Age of the on-call data.", "account")
	syncOK    = desc("sallyport_oncall_sync_ok", "1 where the last read of on-call data went well.", "account")
	remaining = desc("sallyport_pagerduty_ratelimit_remaining", "Calls that PagerDuty still allows in this window.", "account")
	limit     = desc("sallyport_pagerduty_ratelimit_limit", "Calls that PagerDuty allows in a window.", "account")
	queueAge  = desc("sallyport_queue_age_seconds", "Age of the oldest job that is due and not done.")
	queueLen  = desc("sallyport_queue_jobs", "Jobs that are due and not done.")
	committed = desc("sallyport_commits_total", "Transactions committed; several changes share one when many come at once.")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (w *watched) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{syncAge, syncOK, remaining, limit, queueAge, queueLen, committed} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (w *watched) Collect(to chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, s := range w.accounts() {
		ok := 1.0
		if s.LastError != nil {
			ok = 0
		}
		send(syncOK, ok, s.Account)
		if !s.LastSync.IsZero() {
			send(syncAge, s.Age.Seconds(), s.Account)
		}
		if s.Budget.Known {
			send(remaining, float64(s.Budget.Remaining), s.Account)
			send(limit, float64(s.Budget.Limit), s.Account)
		}
	}
	waiting, oldest := w.queue()
	send(queueLen, float64(waiting))
	send(queueAge, oldest.Seconds())
	to <- prometheus.MustNewConstMetric(committed, prometheus.CounterValue, float64(w.commits()))
}
