package engine

import (
	"context"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// reservedFor is how long a call may take before another one with its idempotency key may run.
const reservedFor = time.Minute

// answersKept is how long an idempotency key is remembered.
const answersKept = 24 * time.Hour

// ForgetAnswers drops what idempotency keys were answered with long ago, and credentials that
// have had their time.
func (e *Engine) ForgetAnswers(ctx context.Context) error {
	return e.write(ctx, func(tx *txn) error {
		if err := tx.DeleteCredentials(tx.now); err != nil {
			return err
		}
		return tx.DeleteAnswers(tx.now.Add(-answersKept))
	})
}

// Once answers a call that carries an idempotency key. The first call with a caller's key
// reserves it in a write transaction of its own, runs do, and stores what do answers; a later
// one with the same digest gets that answer, and one with another digest core.Mismatch.
//
// While the first call runs, others wait for it as long as ctx allows. What do refuses with an
// error is not stored: the key is free again, for the same digest. A call that died leaves a
// reservation that counts for a minute.
func (e *Engine) Once(ctx context.Context, a Actor, key, digest string, do func(context.Context) (status int, body []byte, err error)) (int, []byte, error) {
	mine := Answer{Key: "ans_" + digestID(a.User, a.Name(), key), Digest: digest}
	var known Answer
	reserved := false
	answered, err := e.until(ctx, mine.Key, func() (_ bool, err error) {
		known, reserved, err = e.reserve(ctx, mine)
		return reserved || known.Status != 0, err
	})
	switch {
	case err != nil:
		return 0, nil, err
	case reserved:
		return e.answer(ctx, mine, do)
	case answered:
		return known.Status, []byte(known.Body), nil
	}
	return 0, nil, core.Errorf(core.Conflict, "the call with this idempotency key is still running").
		WithHint("repeat it with the same key a little later")
}

// reserve takes a key where it is free. Else it returns what stands there.
func (e *Engine) reserve(ctx context.Context, mine Answer) (known Answer, reserved bool, err error) {
	look := func(v View, now time.Time) (free bool, err error) {
		known, err = v.Answer(mine.Key)
		switch {
		case err != nil:
			return false, err
		case known.Digest != "" && known.Digest != mine.Digest:
			return false, core.Errorf(core.Mismatch, "this idempotency key was used with another call").
				WithHint("use a new key for a new call")
		}
		return known.Status == 0 && now.Sub(known.CreatedAt) >= reservedFor, nil
	}
	free := false
	err = e.Store.Read(ctx, func(v View) (err error) {
		free, err = look(v, e.Clock.Now())
		return err
	})
	if err != nil || !free {
		return known, false, err
	}
	err = e.write(ctx, func(tx *txn) (err error) {
		if reserved, err = look(tx, tx.now); err != nil || !reserved {
			return err
		}
		mine.CreatedAt = tx.now
		return tx.PutAnswer(mine)
	})
	return known, reserved && err == nil, err
}

// answer runs a call and stores its answer, or gives the key back, also when the caller has
// gone meanwhile.
func (e *Engine) answer(ctx context.Context, mine Answer, do func(context.Context) (int, []byte, error)) (status int, body []byte, err error) {
	kept := false
	defer func() {
		if kept {
			return
		}
		free := Answer{Key: mine.Key, Digest: mine.Digest}
		if err := e.keep(ctx, free); err != nil {
			e.Log.Warn("an idempotency key could not be given back", "error", err)
		}
	}()
	status, body, err = do(ctx)
	if err != nil {
		return status, body, err
	}
	mine.Status, mine.Body, mine.CreatedAt = status, string(body), e.Clock.Now()
	kept = e.keep(ctx, mine) == nil
	return status, body, nil
}

func (e *Engine) keep(ctx context.Context, a Answer) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return e.write(ctx, func(tx *txn) error { return tx.PutAnswer(a) })
}
