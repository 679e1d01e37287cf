package jobs

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/pgtest"
	"github.com/sallyport/sallyport/internal/store"
)

// BenchmarkKick is 64 callers who commit a job and kick it, down to the deletion of its
// durable copy.
func BenchmarkKick(b *testing.B) {
	for _, d := range []struct {
		name    string
		options func() store.Options
	}{
		{"sqlite", func() store.Options { return store.Options{Data: b.TempDir()} }},
		{"postgres", func() store.Options { return store.Options{Database: pgtest.Database(b)} }},
	} {
		b.Run(d.name, func(b *testing.B) {
			r := newRig(b, openStore(b, d.options()))
			r.Jobs.o.Verbs = idle{r.play}
			r.start(b)
			var n atomic.Int64
			b.SetParallelism(32) // times two processors
			b.ResetTimer()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					job := decide(fmt.Sprint("req_", n.Add(1)))
					if err := r.store.Write(b.Context(), func(tx engine.Tx) error { return tx.Enqueue(job) }); err != nil {
						b.Error(err)
					}
					r.Kick(job)
				}
			})
			r.end(b)
			b.StopTimer()
			if left := r.count(b, "true"); left > 0 {
				b.Logf("%d copies of %d were left to River", left, b.N)
			}
		})
	}
}

// Idle verbs do nothing but sweep.
type idle struct{ *play }

func (idle) Decide(context.Context, string) error     { return nil }
func (idle) Sweep(context.Context) (time.Time, error) { return time.Time{}, nil }
