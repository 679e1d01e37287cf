package app

import (
	"context"
	"encoding/json"
	"os"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/egress"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/notary"
)

// buildNotary makes what takes the audit log outside, and writes down where to when that changed.
func (a *App) buildNotary(ctx context.Context, allow egress.Allow) (err error) {
	c := a.Config.Audit
	out := egress.Options{Policy: egress.Administrator, Allow: allow} // the places stand in the configuration
	host, _ := os.Hostname()                                          // syslog has a sign for none
	a.notary, err = notary.New(notary.Options{
		Engine: a.Engine, Sealer: a.sealer, Log: a.Log, HTTP: egress.NewClient(out), Dial: egress.Dial(out), Host: host,
		Replica: a.replica, Every: c.CheckpointEvery, CheckpointTo: c.CheckpointTo, Export: c.Export,
	})
	if err != nil {
		return err
	}
	if err := a.Engine.NoteAuditSettings(ctx, auditSettings(c.CheckpointEvery.String(), c.CheckpointTo, c.Export)); err != nil {
		return err
	}
	a.Metrics.registry.MustRegister(watchedAudit{a.notary})
	return a.notary.Start(ctx)
}

// auditSettings are the settings as the log shows them; empty where the log stays inside.
func auditSettings(every string, checkpointTo, export []string) string {
	if len(checkpointTo)+len(export) == 0 {
		return ""
	}
	b, err := json.Marshal(map[string]any{"checkpoint_every": every, "checkpoint_to": named(checkpointTo), "export": named(export)})
	if err != nil {
		return "" // texts can always be written
	}
	return string(b)
}

// named are places as they may stand in the log, from which nothing can be taken back.
func named(places []string) []string {
	out := make([]string, len(places))
	for i, p := range places {
		out[i] = notary.WithoutPath(p)
	}
	return out
}

func (a *App) auditPlaces() []client.AuditPlace {
	var out []client.AuditPlace
	for _, p := range a.notary.Places() {
		out = append(out, client.AuditPlace{Place: p.Name, Seq: p.Seq, At: p.At, Behind: p.Lag, Error: p.Error})
	}
	return out
}

func (a *App) auditKeys(ctx context.Context, caller engine.Actor) ([]client.AuditKey, error) {
	keys, err := a.notary.Keys(ctx, caller)
	var out []client.AuditKey
	for _, k := range keys {
		out = append(out, client.AuditKey{ID: k.ID, Public: k.Public, CreatedAt: k.At})
	}
	return out, err
}

func (a *App) rotateAuditKey(ctx context.Context, caller engine.Actor, lost bool) ([]client.AuditKey, error) {
	if err := a.notary.Rotate(ctx, caller, lost); err != nil {
		return nil, err
	}
	return a.auditKeys(ctx, caller)
}

// doctorAudit says how it stands with the places that the audit log is taken to.
func (a *App) doctorAudit() []client.Finding {
	places := a.notary.Places()
	var out []client.Finding
	for _, t := range a.notary.Troubles() {
		out = append(out, client.Finding{Check: "audit log", State: "problem", Text: t})
	}
	for _, p := range places {
		if p.Error == "" {
			out = append(out, client.Finding{Check: "audit log", State: "ok", Text: p.Name})
		}
	}
	return out
}

// watchedAudit is read whenever metrics are asked for. Places go without their path, which
// may have in it what is not for everybody.
type watchedAudit struct{ n *notary.Notary }

var (
	auditBehind = desc("sallyport_audit_behind_entries", "Audit entries that a place outside does not have yet.", "place")
	auditFailed = desc("sallyport_audit_place_failed", "1 where the last delivery to a place outside did not succeed.", "place")
	auditSigns  = desc("sallyport_audit_signing_ok", "1 where this server can sign checkpoints, or has none to sign.")
)

// Describe implements prometheus.Collector.
func (w watchedAudit) Describe(to chan<- *prometheus.Desc) {
	to <- auditBehind
	to <- auditFailed
	to <- auditSigns
}

// Collect implements prometheus.Collector.
func (w watchedAudit) Collect(to chan<- prometheus.Metric) {
	bit := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	seen := map[string]int{}
	for _, p := range w.n.Places() {
		name := notary.WithoutPath(p.Name)
		if seen[name]++; seen[name] > 1 {
			name += " #" + strconv.Itoa(seen[name])
		}
		to <- prometheus.MustNewConstMetric(auditBehind, prometheus.GaugeValue, float64(p.Lag), name)
		to <- prometheus.MustNewConstMetric(auditFailed, prometheus.GaugeValue, bit(p.Error != ""), name)
	}
	to <- prometheus.MustNewConstMetric(auditSigns, prometheus.GaugeValue, bit(w.n.CanSign()))
}
