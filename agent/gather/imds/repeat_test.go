package imds

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ssm-doctor/agent/gather"
)

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestRepeater: a request is sent again where the network loses packets, and nowhere else.
func TestRepeater(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	for _, c := range []struct {
		name  string
		rough bool
		lost  int32 // of the first requests
		err   error // of the others
		sent  int32
		want  error
		took  time.Duration
	}{
		{"answered", true, 0, nil, 1, nil, 0},
		{"lost once", true, 1, nil, 2, nil, repeatAfter},
		{"lost three times", true, 3, nil, 4, nil, 3 * repeatAfter},
		{"refused", true, 0, refused, 1, refused, 0},
		{"never answered", true, 1000, nil, 9, nil, 2 * time.Second},
		{"smooth", false, 1, nil, 1, nil, 2 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				run := (&gather.Env{}).Begin()
				if c.rough {
					run.Felt(time.Second)
				}
				var sent atomic.Int32
				r := repeater{tripper(func(req *http.Request) (*http.Response, error) {
					if sent.Add(1) <= c.lost {
						<-req.Context().Done()
						return nil, req.Context().Err()
					}
					if c.err != nil {
						return nil, c.err
					}
					return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("i-1"))}, nil
				}), run}
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second-time.Millisecond)
				defer cancel()
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://169.254.169.254/", nil)
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				resp, err := r.RoundTrip(req)
				if took := time.Since(start).Round(100 * time.Millisecond); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				switch {
				case c.want != nil || c.took == 2*time.Second:
					if err == nil || c.want != nil && !errors.Is(err, c.want) {
						t.Errorf("%v", err)
					}
				case err != nil:
					t.Error(err)
				default:
					if b, err := io.ReadAll(resp.Body); string(b) != "i-1" || err != nil {
						t.Errorf("%s, %v", b, err)
					}
				}
				synctest.Wait()
				if got := sent.Load(); got != c.sent && c.name != "never answered" || got > maxRepeats {
					t.Errorf("sent %d times, want %d", got, c.sent)
				}
			})
		})
	}
}
