package app

import (
	"context"
	"io"
	"sync"

	"github.com/sallyport/sallyport/internal/connector"
	"github.com/sallyport/sallyport/internal/connector/all"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/manifest"
)

// Targets opens the connectors of the targets that are configured, each once for each version of its settings.
type Targets struct {
	find   func(ctx context.Context, name string) (core.Document, error)
	secret func(ctx context.Context, ref core.SecretRef) (string, error)

	mu   sync.Mutex
	open map[string]openTarget
}

type openTarget struct {
	body string
	connector.Provisioner
}

// Provisioner returns the connector of a target.
func (t *Targets) Provisioner(ctx context.Context, name string) (connector.Provisioner, error) {
	doc, err := t.find(ctx, name)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if known, ok := t.open[name]; ok && known.body == doc.Body {
		return known.Provisioner, nil
	}
	target, err := manifest.Target(doc)
	if err != nil {
		return nil, err
	}
	p, err := all.Open(ctx, target, all.Deps{Secret: t.secret})
	if err != nil {
		return nil, err
	}
	closeTarget(t.open[name].Provisioner)
	if t.open == nil {
		t.open = map[string]openTarget{}
	}
	t.open[name] = openTarget{doc.Body, p}
	return p, nil
}

// Close ends all connections to targets.
func (t *Targets) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, o := range t.open {
		closeTarget(o.Provisioner)
		delete(t.open, name)
	}
}

func closeTarget(p connector.Provisioner) {
	if c, ok := p.(io.Closer); ok {
		_ = c.Close() // nothing depends on a connection that is given up
	}
}
