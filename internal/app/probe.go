package app

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// probeEvery is how often a database that nobody writes to is written to.
const probeEvery = 3 * time.Second

// A probe knows whether the database can be written. A full or failing disk can still be
// read, so that reading alone would call a server well which can take no request.
type probe struct {
	mu  sync.Mutex
	err error // of the last try
}

func (p *probe) trouble() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *probe) note(err error) (was error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	was, p.err = p.err, err
	return was
}

// probeDatabase tries a write whenever there was none for a while, until ctx ends.
func (a *App) probeDatabase(ctx context.Context) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	seen := a.store.Commits()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := a.store.CompareClock(ctx, a.Wall); err != nil && ctx.Err() == nil {
			a.Log.WarnContext(ctx, "the clocks could not be compared", "error", err)
		}
		if now := a.store.Commits(); now != seen && a.probe.trouble() == nil {
			seen = now
			continue
		}
		err := a.store.Write(ctx, func(tx engine.Tx) error {
			return tx.PutAnswer(engine.Answer{Key: "probe_" + a.replica, Status: 1, CreatedAt: a.clock.Now()})
		})
		if ctx.Err() != nil {
			return
		}
		seen = a.store.Commits()
		switch was := a.probe.note(err); {
		case err != nil && was == nil:
			a.Log.ErrorContext(ctx, "the database cannot be written; requests and decisions are refused until it can", "error", err)
		case err == nil && was != nil:
			a.Log.InfoContext(ctx, "the database can be written again")
		}
	}
}

// checkDatabase says what is wrong with the database: it cannot be read, or not be written.
func (a *App) checkDatabase(ctx context.Context) error {
	if err := a.store.Check(ctx); err != nil {
		return err
	}
	return a.probe.trouble()
}

func (a *App) watchProbe(to prometheus.Registerer) {
	to.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sallyport_database_writable", Help: "1 where the last write to the database went well.",
	}, func() float64 {
		if a.probe.trouble() != nil || a.store.Reserve() == 0 {
			return 0
		}
		return 1
	}))
	if a.store.Shared() {
		to.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sallyport_clock_skew_seconds", Help: "How far the database's clock, which counts, is ahead of this host's.",
		}, func() float64 { return a.store.Skew().Seconds() }))
		return
	}
	to.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sallyport_disk_reserve_bytes", Help: "Room kept back for ends of access; 0 where the disk is full and only they are written.",
	}, func() float64 { return float64(a.store.Reserve()) }))
}

// withCure is an error in words, with what to do about it.
func withCure(err error) string {
	if h := hint(err); h != "" {
		return err.Error() + " (" + h + ")"
	}
	return err.Error()
}

// hint is the first hint in an error's chain.
func hint(err error) string {
	for known := (*core.Error)(nil); errors.As(err, &known); err = errors.Unwrap(known) {
		if known.Hint != "" {
			return known.Hint
		}
	}
	return ""
}
