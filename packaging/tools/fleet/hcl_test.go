// Package fleet holds the HCL files against HashiCorp's own parser. It is in the module of
// the tools, so that the program's module does without that parser.
package fleet

import (
	"os"
	"slices"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

func TestHCL(t *testing.T) {
	for name, want := range map[string]struct{ blocks, attributes []string }{
		"../../fleet/image/ssm-doctor.pkr.hcl": {[]string{"variable", "variable", "build"}, nil},
		"../../distributor/terraform/main.tf":  {[]string{"terraform", "variable", "variable", "variable", "variable", "resource", "output"}, nil},
	} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, diags := hclparse.NewParser().ParseHCL(b, name)
		if diags.HasErrors() {
			t.Errorf("%s: %v", name, diags)
			continue
		}
		body := f.Body.(*hclsyntax.Body)
		var got []string
		variables := map[string]bool{}
		for _, block := range body.Blocks {
			got = append(got, block.Type)
			if block.Type == "variable" {
				variables[block.Labels[0]] = true
			}
		}
		if !slices.Equal(got, want.blocks) {
			t.Errorf("%s: blocks %v, want %v", name, got, want.blocks)
		}
		// Every var.NAME is declared.
		for _, block := range body.Blocks {
			walk(block.Body, func(tr hcl.Traversal) {
				if tr.RootName() != "var" {
					return
				}
				if a, ok := tr[1].(hcl.TraverseAttr); !ok || !variables[a.Name] {
					t.Errorf("%s: %v is not declared", name, tr.SourceRange())
				}
			})
		}
	}
}

func walk(body *hclsyntax.Body, visit func(hcl.Traversal)) {
	for _, a := range body.Attributes {
		for _, tr := range a.Expr.Variables() {
			visit(tr)
		}
	}
	for _, b := range body.Blocks {
		walk(b.Body, visit)
	}
}
