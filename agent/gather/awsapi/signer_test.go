package awsapi

import (
	"os/exec"
	"strings"
	"testing"
)

// TestOnlyThisPackageSigns: of the program only this package can sign a request,
// and the simulator, which checks signatures.
func TestOnlyThisPackageSigns(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "ssm-doctor/...").Output()
	if err != nil {
		t.Skipf("no go command to ask: %v", err)
	}
	seen := false
	for line := range strings.Lines(string(out)) {
		pkg, imports, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.Contains(imports, "/aws/signer/") {
			continue
		}
		switch pkg {
		case "ssm-doctor/agent/gather/awsapi":
			seen = true
		case "ssm-doctor/agent/sim", "ssm-doctor/packaging/closure/standin": // they play an agent
		default:
			t.Errorf("%s can sign requests", pkg)
		}
	}
	if !seen {
		t.Error("this package signs nothing")
	}
}
