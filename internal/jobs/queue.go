package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// queueTime bounds how long Queue looks.
const queueTime = 2 * time.Second

// oldestSeen is how many due jobs Queue looks at; beyond that the count is at least so many.
const oldestSeen = 1000

// Queue returns how many durable jobs are due and not done, and how long the oldest of them
// has been due.
func (j *Jobs) Queue() (waiting int, oldest time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), queueTime)
	defer cancel()
	due, err := j.client.due(ctx)
	if err != nil {
		j.o.Logger.Warn("the queue of jobs cannot be read", "error", err)
		return 0, 0
	}
	now := time.Now()
	for _, at := range due {
		if late := now.Sub(at); late > 0 {
			waiting++
			oldest = max(oldest, late)
		}
	}
	return waiting, oldest
}

// due returns when the jobs that are not done were due, the oldest first.
func (c clientOn[T]) due(ctx context.Context) ([]time.Time, error) {
	list, err := c.JobList(ctx, river.NewJobListParams().
		States(rivertype.JobStateAvailable, rivertype.JobStateRetryable, rivertype.JobStateScheduled).
		OrderBy(river.JobListOrderByScheduledAt, river.SortOrderAsc).First(oldestSeen))
	if err != nil {
		return nil, err
	}
	out := make([]time.Time, len(list.Jobs))
	for i, job := range list.Jobs {
		out[i] = job.ScheduledAt
	}
	return out, nil
}
