// Reads a Terraform configuration on stdin and writes its blocks as JSON, with the parser and the formatter that Terraform uses.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// attribute is a value, or the text of an expression that refers to others.
type attribute struct {
	Value     json.RawMessage `json:"value,omitempty"`
	Reference string          `json:"reference,omitempty"`
}

type block struct {
	Type       string               `json:"type"`
	Labels     []string             `json:"labels"`
	Attributes map[string]attribute `json:"attributes"`
	Blocks     []block              `json:"blocks"`
}

func read(source []byte, body *hclsyntax.Body) (map[string]attribute, []block, error) {
	attributes := map[string]attribute{}
	for name, found := range body.Attributes {
		// Names of types, such as `string`, are references too.
		if len(found.Expr.Variables()) > 0 {
			attributes[name] = attribute{Reference: string(found.Expr.Range().SliceBytes(source))}
			continue
		}
		value, problems := found.Expr.Value(nil)
		if problems.HasErrors() {
			return nil, nil, problems
		}
		text, err := ctyjson.Marshal(value, value.Type())
		if err != nil {
			return nil, nil, err
		}
		attributes[name] = attribute{Value: text}
	}
	blocks := []block{}
	for _, found := range body.Blocks {
		within, nested, err := read(source, found.Body)
		if err != nil {
			return nil, nil, err
		}
		blocks = append(blocks, block{found.Type, found.Labels, within, nested})
	}
	return attributes, blocks, nil
}

func run() error {
	source, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	file, problems := hclsyntax.ParseConfig(source, "main.tf", hcl.InitialPos)
	if problems.HasErrors() {
		return problems
	}
	_, blocks, err := read(source, file.Body.(*hclsyntax.Body))
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"blocks":    blocks,
		"formatted": bytes.Equal(hclwrite.Format(source), source),
	})
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
