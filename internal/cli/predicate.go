package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/predicate"
)

func (s *shell) predicateCommand() *cobra.Command {
	c := group(&cobra.Command{
		Use:     "predicate",
		Aliases: []string{"predicates"},
		Short:   "Try the conditions that stand in roles",
		Example: `  sallyport predicate eval --kind review --context context.json 'contains(request.roles, "editor")'`,
	})
	c.AddCommand(s.predicateEval())
	return c
}

func (s *shell) predicateEval() *cobra.Command {
	var kind, context, batch string
	c := &cobra.Command{
		Use:   "eval --kind review|threshold [--context FILE] EXPR",
		Short: "Evaluate an expression of where or filter",
		Long: `Evaluate an expression, as where (--kind review) or filter (--kind threshold) of a role would be.
The context is a JSON object with reviewer, request and review; what is left out is empty.
With --batch, JSON lines {"id","kind","context","expr"} are read and {"id","result","error"} are written.`,
		Example: `  sallyport predicate eval --kind review --context context.json 'contains(request.system_annotations["pagerduty_services"], "My Critical Service")'
  sallyport predicate eval --batch cases.jsonl`,
		Annotations: map[string]string{exits: "For an expression: 0 true or false, 2 parse_error, 3 eval_error."},
		Args:        takes("[EXPR]"),
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("batch") {
				if len(args) > 0 || c.Flags().Changed("context") || c.Flags().Changed("kind") {
					return misuse("--batch brings its own expressions, kinds and contexts")
				}
				return s.evalBatch(batch)
			}
			if len(args) == 0 {
				return misuse("an expression or --batch is needed").WithHint("%s --help shows an example", c.CommandPath())
			}
			return s.evalOne(kind, context, args[0])
		},
	}
	c.Flags().StringVar(&kind, "kind", string(predicate.Review), "review or threshold")
	c.Flags().StringVar(&context, "context", "", "file with the context; - is standard input")
	c.Flags().StringVar(&batch, "batch", "", "file with JSON lines; - is standard input")
	_ = c.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions([]string{"review", "threshold"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (s *shell) evalOne(kind, contextFile, expr string) error {
	if kind != string(predicate.Review) && kind != string(predicate.Threshold) {
		return misuse("--kind %q is not known", kind).WithHint("write --kind review or --kind threshold")
	}
	data := []byte("{}")
	if contextFile != "" {
		var err error
		if data, err = s.readFile(contextFile); err != nil {
			return err
		}
	}
	about, err := predicate.DecodeContext(data)
	if err != nil {
		return misuse("%s: %w", contextFile, err)
	}
	result, err := predicate.Outcome(kind, expr, about)
	var parse *predicate.ParseError
	var eval *predicate.EvalError
	switch {
	case errors.As(err, &parse):
		return &problem{status: exitUsage, text: result + " at " + err.Error(), below: parse.Snippet()}
	case errors.As(err, &eval):
		return &problem{status: exitRefused, text: result + " at " + err.Error(), below: eval.Snippet()}
	case err != nil:
		return err
	}
	s.sayf("%s\n", result)
	return nil
}

// A batchLine is one expression of a batch. Other fields are left alone.
type batchLine struct {
	ID      json.RawMessage `json:"id"`
	Kind    string          `json:"kind"`
	Context json.RawMessage `json:"context"`
	Expr    *string         `json:"expr"`
}

// A batchResult is what came of it.
type batchResult struct {
	ID     json.RawMessage `json:"id"`
	Result string          `json:"result"`
	Error  string          `json:"error"`
}

func (s *shell) evalBatch(name string) error {
	in := s.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return fileProblem(err)
		}
		defer f.Close()
		in = f
	}
	lines := bufio.NewReader(in)
	out := bufio.NewWriter(s.out)
	to := *s
	to.out = out
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if text := bytes.TrimSpace(line); len(text) > 0 {
			result, err := evalLine(text)
			if err != nil {
				return errors.Join(core.Errorf(core.Invalid, "line %d of %s: %w", n, name, err), out.Flush())
			}
			if err := to.writeLine(result); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return out.Flush()
		case err != nil:
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
}

func evalLine(text []byte) (batchResult, error) {
	var in batchLine
	if err := json.Unmarshal(text, &in); err != nil {
		return batchResult{}, fmt.Errorf("not a JSON object of the form {\"id\",\"kind\",\"context\",\"expr\"}: %w", err)
	}
	if in.Expr == nil {
		return batchResult{}, errors.New("expr is missing")
	}
	if len(in.Context) == 0 || string(in.Context) == "null" {
		in.Context = json.RawMessage("{}")
	}
	about, err := predicate.DecodeContext(in.Context)
	if err != nil {
		return batchResult{}, err
	}
	out := batchResult{ID: in.ID}
	out.Result, err = predicate.Outcome(in.Kind, *in.Expr, about)
	if err != nil {
		out.Error = err.Error()
	}
	return out, nil
}
