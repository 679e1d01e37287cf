package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

func TestAKeyIsAnsweredOnceAndForOneCall(t *testing.T) {
	h := newHarness(t)
	runs := 0
	once := func(user, key, digest string) (string, error) {
		_, body, err := h.Once(t.Context(), as(user), key, digest, func(context.Context) (int, []byte, error) {
			runs++
			return 200, []byte{byte('0' + runs)}, nil
		})
		return string(body), err
	}
	tests := []struct {
		user, key, digest, want string
		kind                    core.Kind
	}{
		{"ann@example.com", "k", "one", "1", ""},
		{"ann@example.com", "k", "one", "1", ""},
		{"ann@example.com", "k", "two", "", core.Mismatch},
		{"bo@example.com", "k", "two", "2", ""},
		{"ann@example.com", "l", "two", "3", ""},
	}
	for _, test := range tests {
		got, err := once(test.user, test.key, test.digest)
		if got != test.want || (err != nil && core.KindOf(err) != test.kind) || (err == nil && test.kind != "") {
			t.Errorf("%s, key %s, digest %s: %q, %v", test.user, test.key, test.digest, got, err)
		}
	}
}

func TestTheLocalAdministratorsKeysAreNotThoseOfAUserOfThatName(t *testing.T) {
	h := newHarness(t)
	answer := func(text string) func(context.Context) (int, []byte, error) {
		return func(context.Context) (int, []byte, error) { return 200, []byte(text), nil }
	}
	_, _, err := h.Once(t.Context(), admin, "k", "d", answer("the administrator's"))
	h.must(err)
	_, body, err := h.Once(t.Context(), as("admin"), "k", "d", answer("the user's"))
	h.must(err)
	if string(body) != "the user's" {
		t.Errorf("the user got %q", body)
	}
}

func TestAReservationOfADeadCallCountsForAMinute(t *testing.T) {
	h := newHarness(t)
	running, release := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		_, _, err := h.Once(context.Background(), admin, "k", "d", func(context.Context) (int, []byte, error) {
			close(running)
			<-release
			return 200, []byte("late"), nil
		})
		first <- err
	}()
	<-running
	again := func(ctx context.Context) (string, error) {
		_, body, err := h.Once(ctx, admin, "k", "d", func(context.Context) (int, []byte, error) { return 200, []byte("second"), nil })
		return string(body), err
	}
	impatient, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := again(impatient); core.KindOf(err) != core.Conflict {
		t.Errorf("while it runs: %v", err)
	}
	h.clock.advance(time.Minute)
	if got, err := again(t.Context()); got != "second" || err != nil {
		t.Errorf("after a minute: %q, %v", got, err)
	}
	close(release)
	h.must(<-first)
}

func TestACallWaitsForTheAnswerOfTheOneBeforeIt(t *testing.T) {
	h := newHarness(t)
	running, release := make(chan struct{}), make(chan struct{})
	answers := make(chan string, 2)
	call := func(do func(context.Context) (int, []byte, error)) {
		_, body, _ := h.Once(t.Context(), admin, "k", "d", do)
		answers <- string(body)
	}
	go call(func(context.Context) (int, []byte, error) {
		close(running)
		<-release
		return 200, []byte("first"), nil
	})
	<-running
	go call(func(context.Context) (int, []byte, error) { return 200, []byte("second"), nil })
	close(release)
	if a, b := <-answers, <-answers; a != "first" || b != "first" {
		t.Errorf("got %q and %q", a, b)
	}
}

func TestAKeyWhoseCallFailedIsFreeForTheSameCall(t *testing.T) {
	h := newHarness(t)
	trouble := errors.New("trouble")
	_, _, err := h.Once(t.Context(), admin, "k", "d", func(context.Context) (int, []byte, error) { return 0, nil, trouble })
	if !errors.Is(err, trouble) {
		t.Errorf("got %v", err)
	}
	func() {
		defer func() { _ = recover() }()
		_, _, _ = h.Once(t.Context(), admin, "k", "d", func(context.Context) (int, []byte, error) { panic("trouble") })
	}()
	if _, _, err := h.Once(t.Context(), admin, "k", "other", nil); core.KindOf(err) != core.Mismatch {
		t.Errorf("with another body: %v", err)
	}
	_, body, err := h.Once(t.Context(), admin, "k", "d", func(context.Context) (int, []byte, error) { return 200, []byte("well"), nil })
	if string(body) != "well" || err != nil {
		t.Errorf("again: %q, %v", body, err)
	}
}
