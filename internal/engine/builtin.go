package engine

import (
	"context"
	"encoding/json"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/manifest"
)

// KeepBuiltins stores the built-in roles that are not stored yet, so that they can be looked
// at and changed like any other. What somebody made of them stays.
func (e *Engine) KeepBuiltins(ctx context.Context) error {
	items, err := builtinItems()
	if err != nil {
		return err
	}
	missing, err := e.missing(ctx, items)
	if err != nil || len(missing) == 0 {
		return err
	}
	return e.write(ctx, func(tx *txn) error {
		for _, item := range missing {
			if _, err := e.put(tx, engineActor, item); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *Engine) missing(ctx context.Context, items []manifest.Item) ([]manifest.Item, error) {
	var out []manifest.Item
	err := e.Store.Read(ctx, func(v View) error {
		out = nil
		for _, item := range items {
			_, err := v.Document(item.Kind, item.Name)
			if core.KindOf(err) == core.NotFound {
				out = append(out, item)
			} else if err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// builtinItems writes the built-in roles as people would.
func builtinItems() ([]manifest.Item, error) {
	type object = map[string]any
	var list []object
	for _, r := range core.BuiltinRoles() {
		spec := object{}
		if len(r.Allow.Rules) > 0 {
			var rules []object
			for _, rule := range r.Allow.Rules {
				rules = append(rules, object{"resources": rule.Resources, "verbs": rule.Verbs})
			}
			spec["allow"] = object{"rules": rules}
		}
		list = append(list, object{"kind": "role", "metadata": object{"name": r.Name, "description": "built in"}, "spec": spec})
	}
	text, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	return manifest.Read(text)
}
