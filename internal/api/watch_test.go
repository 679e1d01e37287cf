package api

import (
	"context"
	"errors"
	"testing"

	"github.com/sallyport/sallyport/client"
)

func TestAWatcherSeesWhatWasAndWhatComes(t *testing.T) {
	h := newHarness(t)
	c := h.serve(client.Options{})
	last := into[client.AuditPage](h.local("GET", "/v1/audit?limit=1000", ""))
	newest := last.Items[len(last.Items)-1].Seq
	want := newest - 1
	asked := false
	for e, err := range c.Watch(t.Context(), newest-2) {
		must(t, err)
		if e.Seq != want {
			t.Fatalf("entry %d came, want %d", e.Seq, want)
		}
		want++
		if e.Seq == newest {
			h.ask("bob@example.com")
			asked = true
		}
		if asked && e.Action == "access_request.create" {
			break
		}
	}
	if !asked {
		t.Error("the watch ended early")
	}
}

func TestAWatchFromNowLeavesOutWhatWas(t *testing.T) {
	h := newHarness(t)
	c := h.serve(client.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	first := make(chan client.AuditEntry, 1)
	go func() {
		defer close(first)
		for e, err := range c.Watch(ctx, client.FromNow) {
			if err == nil {
				first <- e
			}
			return
		}
	}()
	for i := 0; ; i++ { // the watch begins at some moment; from then on it sees the next request
		h.ask("bob@example.com")
		select {
		case e := <-first:
			if e.Seq == 1 || e.Action == "resource.create" {
				t.Errorf("it begins with %+v", e)
			}
			return
		default:
			if i == 1000 {
				t.Fatal("nothing is seen")
			}
		}
	}
}

func TestWhoMayNotReadTheAuditLogMayNotWatch(t *testing.T) {
	h := newHarness(t)
	for _, err := range h.serve(client.Options{As: "bob@example.com"}).Watch(t.Context(), 0) {
		var problem *client.Error
		if !errors.As(err, &problem) || problem.Kind != client.KindRefused || problem.ExitCode() != 3 {
			t.Errorf("got %v", err)
		}
	}
	h.local("GET", "/v1/watch?after=x", "").wantProblem(400, client.KindInvalid, "sequence number")
	h.local("GET", "/v1/watch?after=-1", "").wantProblem(400, client.KindInvalid, "sequence number")
}

func TestAWatcherWhoLosesTheRightIsToldAndCutOff(t *testing.T) {
	h := newHarness(t)
	var got error
	for e, err := range h.serve(client.Options{As: "boss@example.com"}).Watch(t.Context(), 0) {
		if err != nil {
			got = err
			continue
		}
		if e.Seq == 1 {
			h.send(h.Socket(), "POST", "/v1/resources", "kind: user\nmetadata: {name: boss@example.com}\nspec: {locked: true}", "Content-Type", "application/yaml")
		}
	}
	var problem *client.Error
	if !errors.As(got, &problem) || problem.Kind != client.KindRefused {
		t.Errorf("it ended with %v", got)
	}
}
