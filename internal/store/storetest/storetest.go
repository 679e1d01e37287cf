// Package storetest holds every store to the contract of engine.Store.
//
// One suite, run on every database: what a newcomer may rely on in a transaction is what
// stands here.
package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// A Subject is a fresh, empty store, and a way to see which jobs it holds.
type Subject struct {
	Store engine.Store
	Jobs  func(t testing.TB) []core.Job // unfinished ones, by kind and id
}

// Run runs the suite. Each test opens a store of its own.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for _, test := range []struct {
		name string
		run  func(*bench)
	}{
		{"every field survives", everyFieldSurvives},
		{"zero nouns survive", zeroNounsSurvive},
		{"what is not there", whatIsNotThere},
		{"documents and their revision", documents},
		{"requests are listed newest first", requestsNewestFirst},
		{"requests are selected", requestsSelected},
		{"reviews are kept and added to", reviews},
		{"grants are listed newest first", grantsNewestFirst},
		{"grants are selected", grantsSelected},
		{"grants that end come in the order of their ends", grantsByEnd},
		{"incidents are selected", incidentsSelected},
		{"notes are kept and added to", notes},
		{"holdings", holdings},
		{"nobody shares a PagerDuty user", pinsAreUnique},
		{"answers", answers},
		{"credentials", credentials},
		{"audit entries form a chain", auditChain},
		{"audit entries are selected", auditSelected},
		{"a write sees what it wrote", writeSeesItself},
		{"an error undoes the write", errorUndoes},
		{"each write of a group has its own outcome", groupOutcomes},
		{"a write that ran learns its outcome", ranLearnsOutcome},
		{"a transaction cannot be kept", transactionCannotBeKept},
		{"writes are serial", writesAreSerial},
		{"a read is a snapshot", readIsSnapshot},
		{"a glance answers one question", glanceAnswersOnce},
		{"jobs are committed with their cause", jobsWithTheirCause},
		{"equal jobs are one", equalJobsAreOne},
		{"everything at once", everythingAtOnce},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			test.run(&bench{T: t, Subject: s})
		})
	}
}

// T0 is the moment at which the suite's stories begin.
var T0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A bench is a test with a store.
type bench struct {
	*testing.T
	Subject
}

func (b *bench) context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	b.Cleanup(cancel)
	return ctx
}

// write writes, or ends the test.
func (b *bench) write(fn func(tx engine.Tx)) {
	b.Helper()
	if err := b.Store.Write(b.context(), func(tx engine.Tx) error { fn(tx); return nil }); err != nil {
		b.Fatalf("write: %v", err)
	}
}

// read reads, or ends the test.
func (b *bench) read(fn func(v engine.View)) {
	b.Helper()
	if err := b.Store.Read(b.context(), func(v engine.View) error { fn(v); return nil }); err != nil {
		b.Fatalf("read: %v", err)
	}
}

// no reports an error that should not be. It may be called on any goroutine.
func (b *bench) no(err error) {
	b.Helper()
	if err != nil {
		b.Error(err)
	}
}

// value is a result that must come without an error.
func value[V any](b *bench) func(v V, err error) V {
	return func(v V, err error) V {
		b.Helper()
		b.no(err)
		return v
	}
}

// same compares; an empty list is as good as none.
func (b *bench) same(what string, got, want any) {
	b.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		b.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func (b *bench) wantKind(err error, want core.Kind) {
	b.Helper()
	if got := core.KindOf(err); err == nil || got != want {
		b.Errorf("got the error %v of kind %s, want one of kind %s", err, got, want)
	}
}

// group holds the writer until all functions wait behind it, so that they share a
// transaction, and returns their outcomes.
func (b *bench) group(fns ...func(engine.Tx) error) []error {
	contexts := make([]context.Context, len(fns))
	for i := range fns {
		contexts[i] = b.context()
	}
	return b.groupWith(contexts, nil, fns...)
}

// groupWith is group with a context for each function; meanwhile runs while all wait.
func (b *bench) groupWith(contexts []context.Context, meanwhile func(), fns ...func(engine.Tx) error) []error {
	b.Helper()
	held, release := make(chan struct{}), make(chan struct{})
	var first sync.Once
	var wait sync.WaitGroup
	wait.Go(func() {
		b.no(b.Store.Write(b.context(), func(engine.Tx) error {
			first.Do(func() { close(held); <-release })
			return nil
		}))
	})
	<-held
	outcomes := make([]error, len(fns))
	queued := make(chan struct{}, len(fns))
	for i, fn := range fns {
		wait.Go(func() {
			outcomes[i] = b.Store.Write(&noticed{Context: contexts[i], asked: queued}, fn)
		})
	}
	for range fns {
		<-queued
	}
	if meanwhile != nil {
		meanwhile()
	}
	close(release)
	wait.Wait()
	return outcomes
}

// A noticed context tells when somebody begins to wait for its end, which a caller of
// Write does last.
type noticed struct {
	context.Context
	asked chan<- struct{}
	times int
}

func (n *noticed) Done() <-chan struct{} {
	if n.times++; n.times == 2 { // to queue, and to wait for the outcome
		n.asked <- struct{}{}
	}
	return n.Context.Done()
}

var errMine = errors.New("my own trouble")
