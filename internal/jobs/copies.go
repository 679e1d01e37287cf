package jobs

import (
	"context"
	"sync"
	"time"
)

// maxCopies bounds what is remembered. Forgetting is harmless: the copies then run.
const maxCopies = 50_000

// A durable is a copy in River's table: jobs of one kind that one transaction asked for.
type durable struct {
	id   int64         // River's
	due  time.Time     // River leaves it alone until then
	left map[key]int64 // the jobs whose verbs have not worked yet, and the mark of their last commit
}

// Copies remembers the durable copies of jobs, so that one whose verbs have all worked is
// deleted instead of run.
//
// A verb that worked counts for a job only if the job was committed before the verb had
// begun: otherwise it may not have seen what the job is about. Each commit therefore has a
// mark, and a verb counts for what has no later mark than the last before it began.
type copies struct {
	mu    sync.Mutex
	marks int64
	known map[int64]*durable // by River's id
	of    map[key][]*durable // those on which a job is left
	spent map[int64]bool     // those on which none is
}

func newCopies() *copies {
	return &copies{known: map[int64]*durable{}, of: map[key][]*durable{}, spent: map[int64]bool{}}
}

// find returns a copy that a job can join, as River leaves it alone until a time and after; or nil.
func (c *copies) find(k key, until time.Time) *durable {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.of[k] {
		if d.due.After(until) {
			return d
		}
	}
	return nil
}

// committed remembers copies that jobs were just committed onto.
func (c *copies) committed(onto map[*durable][]key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) > maxCopies {
		clear(c.known)
		clear(c.of)
		clear(c.spent)
	}
	c.marks++
	for d, keys := range onto {
		c.add(d, keys)
	}
}

func (c *copies) add(d *durable, keys []key) {
	c.known[d.id] = d
	delete(c.spent, d.id)
	for _, k := range keys {
		if _, there := d.left[k]; !there {
			c.of[k] = append(c.of[k], d)
		}
		d.left[k] = c.marks
	}
}

// mark returns the mark of the last commit.
func (c *copies) mark() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.marks
}

// done notes that a verb worked which began at a mark.
func (c *copies) done(k key, mark int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var later []*durable
	for _, d := range c.of[k] {
		if d.left[k] > mark {
			later = append(later, d)
			continue
		}
		if delete(d.left, k); len(d.left) == 0 {
			c.spent[d.id] = true
		}
	}
	if c.of[k] = later; later == nil {
		delete(c.of, k)
	}
}

// begin returns which jobs of a copy that River runs are still to be done. No job joins it any more.
func (c *copies) begin(id int64, all []key) []key {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.known[id]
	if d == nil { // of a process before this one, or forgotten
		d = &durable{id: id, left: make(map[key]int64, len(all))}
		c.add(d, all)
	}
	d.due = time.Time{}
	out := make([]key, 0, len(d.left))
	for k := range d.left {
		out = append(out, k)
	}
	return out
}

// forget forgets a copy that River has run to its end.
func (c *copies) forget(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.spent[id] {
		delete(c.known, id)
		delete(c.spent, id)
	}
}

// take returns the copies that are not needed any more and forgets them.
func (c *copies) take() []int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := make([]int64, 0, len(c.spent))
	for id := range c.spent {
		ids = append(ids, id)
		delete(c.known, id)
	}
	clear(c.spent)
	return ids
}

func (c *copies) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.spent) == 0
}

func (j *Jobs) pruneLoop(ctx context.Context) {
	t := time.NewTicker(pruneEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			j.prune(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// prune deletes copies whose verbs have worked. It takes them inside the transaction:
// the store runs nothing beside it, so no job can be committed onto a copy meanwhile.
// If the transaction fails, the copies run, which does no harm.
func (j *Jobs) prune(ctx context.Context) {
	if j.durable.idle() {
		return
	}
	err := j.o.Store.WriteRaw(ctx, func(ctx context.Context, tx any) error {
		return j.client.remove(ctx, tx, j.durable.take())
	})
	if err != nil && ctx.Err() == nil {
		j.o.Logger.DebugContext(ctx, "durable copies of finished jobs stay and will run", "error", err)
	}
}
