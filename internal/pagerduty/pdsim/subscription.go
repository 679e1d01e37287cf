package pdsim

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// eventTypes are the webhook events that the simulator sends, in PagerDuty's words.
var eventTypes = []string{
	"incident.triggered", "incident.acknowledged", "incident.unacknowledged", "incident.annotated",
	"incident.escalated", "incident.priority_updated", "incident.reassigned", "incident.resolved",
}

// A subscription is a webhook subscription (v3).
type subscription struct {
	id, description, url, secret string
	events                       []string
	filter                       reference // account_reference, service_reference or team_reference
	headers                      []header
	inactive                     bool
	disabled                     bool // for a while, after three refusals in a row
	refused                      int
}

type header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func configuredSubscriptions(hooks []Webhook) []*subscription {
	subs := make([]*subscription, len(hooks))
	for i, h := range hooks {
		subs[i] = &subscription{id: fmt.Sprintf("PWHOOK%d", i+1), url: h.URL, secret: h.Secret, events: h.Events, filter: reference{Type: "account_reference"}}
		if len(h.Events) == 0 {
			subs[i].events = eventTypes
		}
	}
	return subs
}

// wants reports whether an event about an incident of service is for the subscription.
func (sub *subscription) wants(event string, service *Service) bool {
	if sub.inactive || sub.disabled || !slices.Contains(sub.events, event) {
		return false
	}
	switch sub.filter.Type {
	case "service_reference":
		return service != nil && service.ID == sub.filter.ID
	case "team_reference":
		return service != nil && slices.Contains(service.Teams, sub.filter.ID)
	}
	return true
}

func (s *Server) subscription(q *request) (*subscription, error) {
	for _, sub := range s.subscriptions {
		if sub.id == q.PathValue("id") {
			return sub, nil
		}
	}
	return nil, failNotFound
}

func (s *Server) listSubscriptions(q *request) (answer, error) {
	var found []*subscription
	for _, sub := range s.subscriptions {
		kind, id := q.query("filter_type"), q.query("filter_id")
		if (kind == "" || kind+"_reference" == sub.filter.Type) && (id == "" || id == sub.filter.ID) {
			found = append(found, sub)
		}
	}
	return paged(q, "webhook_subscriptions", found, func(sub *subscription) obj { return sub.view("") })
}

func (s *Server) getSubscription(q *request) (answer, error) {
	sub, err := s.subscription(q)
	if err != nil {
		return answer{}, err
	}
	return ok(obj{"webhook_subscription": sub.view("")})
}

// view shows the subscription. Its secret is shown once, when it is created.
func (sub *subscription) view(secret string) obj {
	delivery := obj{"id": "D" + sub.id, "type": "http_delivery_method", "url": sub.url, "secret": nil, "temporarily_disabled": sub.disabled}
	if secret != "" {
		delivery["secret"] = secret
	}
	delivery["custom_headers"] = each(sub.headers, func(h header) obj { return obj{"name": h.Name, "value": "-- redacted --"} })
	filter := obj{"type": sub.filter.Type}
	if sub.filter.ID != "" {
		filter["id"] = sub.filter.ID
	}
	return obj{
		"id": sub.id, "type": "webhook_subscription", "active": !sub.inactive, "description": sub.description,
		"delivery_method": delivery, "events": sub.events, "filter": filter,
	}
}

// subscriptionBody is what POST and PUT of a subscription send.
type subscriptionBody struct {
	Subscription *struct {
		Description    *string    `json:"description"`
		Active         *bool      `json:"active"`
		Events         []string   `json:"events"`
		Filter         *reference `json:"filter"`
		DeliveryMethod *struct {
			URL     string   `json:"url"`
			Type    string   `json:"type"`
			Headers []header `json:"custom_headers"`
		} `json:"delivery_method"`
	} `json:"webhook_subscription"`
}

func (s *Server) createSubscription(q *request) (answer, error) {
	var in subscriptionBody
	if err := q.read(&in); err != nil {
		return answer{}, err
	}
	w := in.Subscription
	if w == nil || w.DeliveryMethod == nil || w.Filter == nil || len(w.Events) == 0 {
		return answer{}, invalid("A webhook subscription needs a delivery_method, a filter and events")
	}
	if u, err := url.Parse(w.DeliveryMethod.URL); err != nil || u.Host == "" || w.DeliveryMethod.Type != "http_delivery_method" {
		return answer{}, invalid("The delivery method must be an http_delivery_method with a URL")
	}
	sub := &subscription{url: w.DeliveryMethod.URL, headers: w.DeliveryMethod.Headers, secret: rand.Text()}
	if err := s.amend(sub, in); err != nil {
		return answer{}, err
	}
	sub.id = s.newID("P")
	s.subscriptions = append(s.subscriptions, sub)
	return created(obj{"webhook_subscription": sub.view(sub.secret)})
}

func (s *Server) updateSubscription(q *request) (answer, error) {
	sub, err := s.subscription(q)
	if err != nil {
		return answer{}, err
	}
	var in subscriptionBody
	if err := q.read(&in); err != nil {
		return answer{}, err
	}
	if in.Subscription == nil {
		return answer{}, invalid("webhook_subscription is missing")
	}
	if in.Subscription.DeliveryMethod != nil {
		return answer{}, invalid("The delivery method cannot be changed: create another subscription")
	}
	if err := s.amend(sub, in); err != nil {
		return answer{}, err
	}
	return ok(obj{"webhook_subscription": sub.view("")})
}

// amend sets what both create and update may set.
func (s *Server) amend(sub *subscription, in subscriptionBody) error {
	w := in.Subscription
	if f := w.Filter; f != nil {
		known := f.Type == "account_reference" ||
			(f.Type == "service_reference" && s.account.services[f.ID] != nil) || (f.Type == "team_reference" && s.account.teams[f.ID] != nil)
		if !known {
			return invalid("The filter must be an account_reference, or the service_reference or team_reference of one that is there")
		}
		sub.filter = *f
	}
	if w.Events != nil {
		sub.events = w.Events
	}
	if w.Description != nil {
		sub.description = *w.Description
	}
	if w.Active != nil {
		sub.inactive = !*w.Active
	}
	return nil
}

func (s *Server) deleteSubscription(q *request) (answer, error) {
	sub, err := s.subscription(q)
	if err != nil {
		return answer{}, err
	}
	i := slices.Index(s.subscriptions, sub)
	s.subscriptions = slices.Delete(s.subscriptions, i, i+1)
	if i < s.configured {
		s.configured--
	}
	return empty(http.StatusNoContent)
}

func (s *Server) enableSubscription(q *request) (answer, error) {
	sub, err := s.subscription(q)
	if err != nil {
		return answer{}, err
	}
	sub.disabled, sub.refused = false, 0
	return ok(obj{"webhook_subscription": sub.view("")})
}

func (s *Server) pingSubscription(q *request) (answer, error) {
	sub, err := s.subscription(q)
	if err != nil {
		return answer{}, err
	}
	s.send(sub, "pagey.ping", "pagey", nil, obj{"message": "Hello from your friend Pagey!", "type": "ping"})
	return empty(http.StatusAccepted)
}
