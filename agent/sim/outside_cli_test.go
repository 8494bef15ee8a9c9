//go:build awscli

package sim_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"ssm-doctor/agent/outside"
	"ssm-doctor/agent/outside/cloudtest"
)

// TestOutsideScenariosByAWSCLI asks for the outside of every host of TestGoldenOutside
// with the real AWS CLI, and holds each answer against what that test was given. What was
// asked with the same answer before is not asked again.
func TestOutsideScenariosByAWSCLI(t *testing.T) {
	t.Parallel()
	cli, err := cloudtest.FindCLI()
	if err != nil {
		t.Fatalf("no AWS CLI here: %v", err)
	}
	asked, calls := map[string]bool{}, 0
	for i, h := range truthOutside {
		if testing.Short() && i%6 != 0 {
			continue
		}
		_, f, c, id := h.bringUp(t)
		server := httptest.NewServer(c.Handler(cli.Models, t.Errorf))
		file := outside.Collect(t.Context(), func(ctx context.Context, args ...string) ([]byte, []byte, error) {
			want, refusal, wantErr := c.Run(ctx, args...)
			key := strings.Join(args, " ") + "\x00" + string(want) + string(refusal)
			if asked[key] {
				return want, refusal, wantErr
			}
			asked[key] = true
			calls++
			got, stderr, err := cli.Run(ctx, server.URL, args...)
			if (err == nil) != (wantErr == nil) || err == nil && !cloudtest.Same(want, got) {
				t.Errorf("%s: aws %s\nwant %s%s\ngot  %s%s", h.name, strings.Join(args, " "), want, refusal, got, stderr)
			}
			return got, stderr, err
		}, outside.Target{Region: c.Region, IDs: []string{id}}, c.Now, "test")
		server.Close()
		both := rerunAs(f, id)
		if !outside.Merge(both, outside.ViewOf(file)) || both.RootCause == nil || both.RootCause.ID != h.cause || both.RootCause.Confidence != "proven" {
			t.Errorf("%s: %s; want %s, proven", h.name, inShort(both), h.cause)
		}
	}
	t.Logf("%d calls of the AWS CLI", calls)
	if calls < 40 {
		t.Errorf("%d calls", calls)
	}
}
