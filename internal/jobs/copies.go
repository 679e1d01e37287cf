package jobs

import (
	"context"
	"sync"
	"time"
)

// maxCopies bounds what is remembered. Forgetting is harmless: the copies then run.
const maxCopies = 50_000

// Copies remembers which durable copies belong to which jobs, so that a copy whose verb
// has worked is deleted instead of run.
//
// A copy may be deleted only if no job was committed onto it after the verb had begun:
// that verb may not have seen what the later job is about. Each commit therefore gives the
// copy a new mark, and only the mark that was seen before the verb began will do.
type copies struct {
	mu    sync.Mutex
	marks int64
	known map[key]durable
	spent map[key]int64 // the marks under which verbs have worked
}

type durable struct {
	id   int64 // River's
	mark int64
}

func newCopies() *copies {
	return &copies{known: map[key]durable{}, spent: map[key]int64{}}
}

// committed remembers copies that jobs were just committed onto.
func (c *copies) committed(ids map[key]int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) > maxCopies {
		clear(c.known)
		clear(c.spent)
	}
	for k, id := range ids {
		c.marks++
		c.known[k] = durable{id: id, mark: c.marks}
	}
}

// mark returns the mark of a job's copy, 0 where none is known.
func (c *copies) mark(k key) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known[k].mark
}

// done notes that a verb worked which began when its copy had this mark.
func (c *copies) done(k key, mark int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if mark != 0 && c.known[k].mark == mark {
		c.spent[k] = mark
	}
}

// forget forgets a copy that River has run.
func (c *copies) forget(k key, id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known[k].id == id {
		delete(c.known, k)
		delete(c.spent, k)
	}
}

// take returns the copies that are not needed any more and forgets them.
func (c *copies) take() []int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := make([]int64, 0, len(c.spent))
	for k, mark := range c.spent {
		if d := c.known[k]; d.mark == mark {
			ids = append(ids, d.id)
			delete(c.known, k)
		}
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
