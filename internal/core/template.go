package core

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// internalTraits are the traits that {{internal.…}} may name. The list is
// Teleport's (ApplyValueTraits of its package lib/services); {{external.…}} may
// name any trait.
var internalTraits = []string{
	"logins", "windows_logins", "kubernetes_groups", "kubernetes_users",
	"db_names", "db_users", "db_roles", "aws_role_arns", "azure_identities",
	"gcp_service_accounts", "jwt", "host_user_uid", "host_user_gid", "github_orgs", "mcp_tools",
}

// A template is a value of an annotation: a text, or a text with one
// {{expression}} that the requester's traits fill in, once for each value.
//
// Expressions are Teleport's: external.NAME, external["NAME"], internal.NAME,
// email.local(…) and regexp.replace(…, "pattern", "replacement"). A template that
// cannot be read, or whose expression fails, or that names a trait which the
// requester does not have, gives no values; it never spoils the others.
type template struct {
	prefix, suffix string
	fill           traitExpr // nil: no expression; prefix is the whole text
}

// A traitExpr is a compiled expression over traits.
type traitExpr func(traits map[string][]string) ([]string, error)

// newTemplate reads a value of an annotation.
func newTemplate(src string) (template, error) {
	prefix, inner, suffix, found, err := cutTemplate(src)
	if err != nil {
		return template{}, err
	}
	if !found {
		return template{prefix: src}, nil
	}
	tree, err := parser.ParseExpr(inner)
	if err != nil {
		return template{}, fmt.Errorf("{{%s}} cannot be read; write {{external.NAME}}", inner)
	}
	fill, err := compileTraitExpr(tree)
	if err != nil {
		return template{}, fmt.Errorf("{{%s}}: %w", inner, err)
	}
	return template{
		prefix: strings.TrimLeftFunc(prefix, unicode.IsSpace),
		suffix: strings.TrimRightFunc(suffix, unicode.IsSpace),
		fill:   fill,
	}, nil
}

// values appends what the template comes to, for somebody with these traits.
func (t template) values(traits map[string][]string, to []string) []string {
	if t.fill == nil {
		if t.prefix != "" {
			to = append(to, t.prefix)
		}
		return to
	}
	filled, err := t.fill(traits)
	if err != nil {
		return to
	}
	for _, v := range filled {
		if v != "" {
			to = append(to, t.prefix+v+t.suffix)
		}
	}
	return to
}

func compileTraitExpr(n ast.Expr) (traitExpr, error) {
	switch n := n.(type) {
	case *ast.BasicLit:
		if s, ok := stringLiteral(n); ok {
			return func(map[string][]string) ([]string, error) { return []string{s}, nil }, nil
		}
	case *ast.SelectorExpr:
		if space, ok := n.X.(*ast.Ident); ok {
			return compileTrait(space.Name, n.Sel.Name)
		}
	case *ast.IndexExpr:
		space, isName := n.X.(*ast.Ident)
		key, isText := stringLiteral(n.Index)
		if isName && isText {
			return compileTrait(space.Name, key)
		}
	case *ast.CallExpr:
		return compileTraitCall(n)
	}
	return nil, errors.New(`not an expression over traits; write external.NAME or external["NAME"]`)
}

func compileTrait(space, name string) (traitExpr, error) {
	switch {
	case space != "external" && space != "internal":
		return nil, fmt.Errorf("unknown namespace %s; write external or internal", space)
	case space == "internal" && !slices.Contains(internalTraits, name):
		return nil, fmt.Errorf("internal.%s is not a trait; write external.%s, or one of %s", name, name, strings.Join(internalTraits, ", "))
	}
	return func(traits map[string][]string) ([]string, error) {
		values, ok := traits[name]
		if !ok {
			return nil, fmt.Errorf("no trait %s", name)
		}
		return values, nil
	}, nil
}

func compileTraitCall(n *ast.CallExpr) (traitExpr, error) {
	name := dottedName(n.Fun)
	arity := map[string]int{"email.local": 1, "regexp.replace": 3}[name]
	switch {
	case arity == 0:
		return nil, errors.New("unknown function; write email.local or regexp.replace")
	case len(n.Args) != arity || n.Ellipsis.IsValid():
		return nil, fmt.Errorf("%s takes %d arguments", name, arity)
	}
	source, err := compileTraitExpr(n.Args[0])
	if err != nil {
		return nil, err
	}
	if name == "email.local" {
		return eachValue(source, emailLocal), nil
	}
	pattern, ok := stringLiteral(n.Args[1])
	replacement, ok2 := stringLiteral(n.Args[2])
	if !ok || !ok2 {
		return nil, errors.New("the pattern and the replacement of regexp.replace are strings")
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	return eachValue(source, func(v string) (string, error) {
		if !re.MatchString(v) {
			return "", nil // values that the pattern does not match are left out
		}
		return re.ReplaceAllString(v, replacement), nil
	}), nil
}

// eachValue changes each value of source. One failure fails the whole, as in Teleport.
func eachValue(source traitExpr, change func(string) (string, error)) traitExpr {
	return func(traits map[string][]string) ([]string, error) {
		values, err := source(traits)
		if err != nil {
			return nil, err
		}
		var out []string
		for _, v := range values {
			changed, err := change(v)
			if err != nil {
				return nil, err
			}
			if changed != "" {
				out = append(out, changed)
			}
		}
		return out, nil
	}
}

func emailLocal(v string) (string, error) {
	a, err := mail.ParseAddress(v)
	if err != nil {
		return "", fmt.Errorf("%q is not an e-mail address", v)
	}
	local, _, _ := strings.Cut(a.Address, "@")
	return local, nil
}

// dottedName returns the name a.b of an expression, and "" for anything else.
func dottedName(n ast.Expr) string {
	if s, ok := n.(*ast.SelectorExpr); ok {
		if x, ok := s.X.(*ast.Ident); ok {
			return x.Name + "." + s.Sel.Name
		}
	}
	return ""
}

func stringLiteral(n ast.Expr) (string, bool) {
	l, ok := n.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(l.Value)
	return s, err == nil
}
