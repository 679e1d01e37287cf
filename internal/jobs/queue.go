package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// queueTime bounds how long Queue looks.
const queueTime = 2 * time.Second

// oldestSeen is how many due copies Queue looks at; beyond that the count is at least theirs.
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
	for _, c := range due {
		if late := now.Sub(c.at); late > 0 {
			waiting += c.jobs
			oldest = max(oldest, late)
		}
	}
	return waiting, oldest
}

// A dueCopy is a durable copy that is not done.
type dueCopy struct {
	at   time.Time
	jobs int
}

// due returns the copies that are not done, by when they were due.
func (c clientOn[T]) due(ctx context.Context) ([]dueCopy, error) {
	list, err := c.JobList(ctx, river.NewJobListParams().
		States(rivertype.JobStateAvailable, rivertype.JobStateRetryable, rivertype.JobStateScheduled).
		OrderBy(river.JobListOrderByScheduledAt, river.SortOrderAsc).First(oldestSeen))
	if err != nil {
		return nil, err
	}
	out := make([]dueCopy, len(list.Jobs))
	for i, job := range list.Jobs {
		var a args
		if err := json.Unmarshal(job.EncodedArgs, &a); err != nil {
			return nil, fmt.Errorf("read the arguments of job %d: %w", job.ID, err)
		}
		out[i] = dueCopy{at: job.ScheduledAt, jobs: max(len(a.IDs), 1)}
	}
	return out, nil
}
