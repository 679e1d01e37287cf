package jobs

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/sallyport/sallyport/internal/core"
)

// Kick runs a job in this process as soon as it can; the durable copy stays as the
// backstop until that has worked. Equal kicks that wait are one; a kick of what runs just
// now runs it once more. A job that is not to run yet becomes a sweep at its time.
func (j *Jobs) Kick(job core.Job) {
	if job.At.After(j.o.Clock.Now()) {
		j.Wake(job.At)
		return
	}
	j.kicks.add(key{job.Kind, job.ID})
}

// runKicked runs a verb for a kick. What goes wrong is left to the durable copy.
func (j *Jobs) runKicked(ctx context.Context, k key) {
	mark := j.durable.mark()
	j.kicked.Add(1)
	if err := j.call(ctx, k); err != nil {
		j.o.Logger.DebugContext(ctx, "a kicked job is left to its durable copy", "kind", k.kind, "id", k.id, "error", err)
		return
	}
	j.durable.done(k, mark)
}

// A runner runs keys in a bounded number of goroutines, each key in one at a time.
type runner struct {
	limit, room int
	run         func(context.Context, key)
	dropped     atomic.Int64

	mu     sync.Mutex
	ctx    context.Context // nil before open and after close
	tasks  map[key]*task
	queue  []*task
	active int
	closed bool

	closing chan struct{} // closed by close
	idle    chan struct{} // closed when the last one has ended after that
}

type task struct {
	key            key
	running, again bool
}

func newRunner(limit, room int, run func(context.Context, key)) *runner {
	return &runner{limit: limit, room: room, run: run, tasks: map[key]*task{}, closing: make(chan struct{}), idle: make(chan struct{})}
}

func (r *runner) add(k key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	if t := r.tasks[k]; t != nil {
		t.again = t.again || t.running
		return
	}
	if len(r.queue) >= r.room {
		r.dropped.Add(1)
		return
	}
	t := &task{key: k}
	r.tasks[k] = t
	r.queue = append(r.queue, t)
	r.spawn()
}

// open lets the runner run what waits and what will come.
func (r *runner) open(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ctx = ctx
	for range min(len(r.queue), r.limit) {
		r.spawn()
	}
}

// spawn starts one more goroutine if there may be one. The lock is held.
func (r *runner) spawn() {
	if r.ctx == nil || r.active == r.limit {
		return
	}
	r.active++
	go r.work(r.ctx)
}

// work runs tasks until none waits.
func (r *runner) work(ctx context.Context) {
	for t := r.next(nil); t != nil; t = r.next(t) {
		r.run(ctx, t.key)
	}
}

// next ends one task and begins another.
func (r *runner) next(done *task) *task {
	r.mu.Lock()
	defer r.mu.Unlock()
	if done != nil {
		done.running = false
		if done.again {
			done.again = false
			r.queue = append(r.queue, done)
		} else {
			delete(r.tasks, done.key)
		}
	}
	if len(r.queue) == 0 || r.closed {
		r.active--
		if r.closed && r.active == 0 {
			close(r.idle)
		}
		return nil
	}
	t := r.queue[0]
	r.queue[0] = nil
	if r.queue = r.queue[1:]; len(r.queue) == 0 {
		r.queue = nil // give the space back
	}
	t.running = true
	return t
}

// close forgets what waits. The channel is closed when nothing runs any more.
func (r *runner) close() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed, r.ctx = true, nil
	close(r.closing)
	r.queue, r.tasks = nil, map[key]*task{}
	if r.active == 0 {
		close(r.idle)
	}
	return r.idle
}
