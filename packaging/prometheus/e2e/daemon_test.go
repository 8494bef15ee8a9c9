//go:build e2e

package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// mayBeEmpty: panels about things that this host does not have.
var mayBeEmpty = map[string]string{}

type daemon struct {
	addr string
	full bool // exports every family
	lift func(t *testing.T)
}

func startDaemon(t *testing.T, name string) daemon {
	var healthy atomic.Bool
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		managed, cause := 0, fmt.Sprintf(`cause=%q,group="credentials"`, name)
		if healthy.Load() {
			managed, cause = 1, `cause="healthy",group="none"`
		}
		io.WriteString(w, fmt.Sprintf("ssm_doctor_node_state{state=\"managed\"} %d\nssm_doctor_node_state{state=\"not-managed\"} %d\nssm_doctor_node_state{state=\"degraded\"} 0\nssm_doctor_node_state{state=\"unknown\"} 0\nssm_doctor_root_cause_info{%s} 1\nssm_doctor_last_run_timestamp_seconds %d\nssm_doctor_run_interval_seconds 300\n", managed, 1-managed, cause, time.Now().Unix()))
	}))
	t.Cleanup(srv.Close)
	return daemon{addr: strings.TrimPrefix(srv.URL, "http://"), lift: func(*testing.T) { healthy.Store(true) }}
}
