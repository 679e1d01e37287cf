package pdsim

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// publish tells the webhooks what happened to an incident. n is the note of an
// annotation. The caller holds the lock.
func (s *Server) publish(event string, i *Incident, by string, n *Note) {
	data := s.webhookIncident(i)
	if n != nil {
		data = obj{"id": n.ID, "type": "incident_note", "incident": s.account.incidentRef(i), "content": n.Content, "trimmed": false}
	}
	var agent obj
	if by != "" {
		agent = s.account.userRef(by)
	}
	for _, sub := range s.subscriptions {
		if sub.wants(event, s.account.services[i.Service]) {
			s.send(sub, event, "incident", agent, data)
		}
	}
}

// webhookIncident is an incident as webhooks v3 show it, which is not how REST does.
func (s *Server) webhookIncident(i *Incident) obj {
	v := s.incidentView(i, plain)
	o := obj{
		"type": "incident", "number": i.Number, "title": i.Title, "priority": v["priority"],
		"assignees": each(i.Assignees, s.account.userRef), "conference_bridge": nil, "resolve_reason": v["resolve_reason"],
	}
	for _, k := range []string{"id", "self", "html_url", "status", "incident_key", "created_at", "service", "escalation_policy", "teams", "urgency", "incident_type"} {
		o[k] = v[k]
	}
	return o
}

// send queues one webhook.
func (s *Server) send(sub *subscription, event, resource string, agent obj, data obj) {
	id := s.newID("0")
	body, err := json.Marshal(obj{"event": obj{
		"id": id, "event_type": event, "resource_type": resource, "occurred_at": s.now().Format("2006-01-02T15:04:05.000Z"),
		"agent": agent, "client": nil, "data": data,
	}})
	if err != nil {
		panic(fmt.Sprintf("pdsim: a webhook is not JSON: %v", err))
	}
	mac := hmac.New(sha256.New, []byte(sub.secret))
	mac.Write(body)
	h := http.Header{}
	for _, custom := range sub.headers {
		h.Set(custom.Name, custom.Value)
	}
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "PagerDuty-Webhook/V3.0")
	h.Set("X-Webhook-Id", id)
	h.Set("X-Webhook-Subscription", sub.id)
	h.Set("X-PagerDuty-Signature", "v1="+hex.EncodeToString(mac.Sum(nil)))
	s.posts.add(post{sub.id, sub.url, h, body, func(refused bool) { s.delivered(sub, refused) }})
}

// delivered counts refusals: three in a row disable the subscription, until it is enabled.
func (s *Server) delivered(sub *subscription, refused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !refused {
		sub.refused = 0
		return
	}
	sub.refused++
	sub.disabled = sub.refused >= 3
}

// A post is one webhook on its way.
type post struct {
	subscription, url string
	header            http.Header
	body              []byte
	done              func(refused bool)
}

// posts deliver webhooks: one after the other for each subscription, which
// keeps the order that PagerDuty promises.
type posts struct {
	log    *slog.Logger
	client *http.Client
	ctx    context.Context
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu     sync.Mutex
	queues map[string][]post // present while a goroutine works on it
}

func newPosts(log *slog.Logger) *posts {
	ctx, cancel := context.WithCancel(context.Background())
	return &posts{log: log, client: &http.Client{Timeout: 5 * time.Second}, ctx: ctx, cancel: cancel, queues: map[string][]post{}}
}

func (p *posts) close() {
	p.mu.Lock()
	p.cancel()
	p.mu.Unlock()
	p.wait.Wait()
}

func (p *posts) add(one post) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return
	}
	queue, working := p.queues[one.subscription]
	p.queues[one.subscription] = append(queue, one)
	if !working {
		p.wait.Go(func() { p.work(one.subscription) })
	}
}

// work empties a queue, then ends.
func (p *posts) work(subscription string) {
	for {
		p.mu.Lock()
		queue := p.queues[subscription]
		if len(queue) == 0 || p.ctx.Err() != nil {
			delete(p.queues, subscription)
			p.mu.Unlock()
			return
		}
		p.queues[subscription] = queue[1:]
		p.mu.Unlock()
		p.deliver(queue[0])
	}
}

// deliver tries a few times. A 4xx other than 429 is final.
func (p *posts) deliver(one post) {
	pause := 50 * time.Millisecond
	for range 5 {
		status, err := p.try(one)
		switch {
		case err == nil && status < 300:
			one.done(false)
			return
		case err == nil && status >= 400 && status < 500 && status != http.StatusTooManyRequests:
			p.log.Warn("webhook refused", "url", one.url, "status", status)
			one.done(true)
			return
		}
		p.log.Debug("webhook not delivered yet", "url", one.url, "status", status, "error", err)
		select {
		case <-p.ctx.Done():
			return
		case <-time.After(pause):
			pause *= 4
		}
	}
	p.log.Warn("webhook given up", "url", one.url)
}

func (p *posts) try(one post) (int, error) {
	r, err := http.NewRequestWithContext(p.ctx, http.MethodPost, one.url, bytes.NewReader(one.body))
	if err != nil {
		return 0, err
	}
	r.Header = one.header.Clone()
	resp, err := p.client.Do(r)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}
