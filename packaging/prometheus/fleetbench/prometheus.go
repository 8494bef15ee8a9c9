package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// prom is a running Prometheus.
type prom struct {
	cmd  *exec.Cmd
	addr string
	dir  string
	done chan error
}

// startProm runs Prometheus with the shipped configuration over the targets.
// remote is the address that an agent writes to; empty starts a server, which
// evaluates the shipped rules.
func startProm(ctx context.Context, shipped, dir string, targets []string, interval time.Duration, remote string) (*prom, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	conf, err := os.ReadFile(filepath.Join(shipped, "prometheus-file.yml"))
	if err != nil {
		return nil, err
	}
	text := regexp.MustCompile(`(scrape_interval|evaluation_interval): \S+`).ReplaceAllString(string(conf), "$1: "+interval.String())
	text = regexp.MustCompile(`(?s)\nalerting:.*?\n\n`).ReplaceAllString(text, "\n")
	// Its own process is measured too, from its own metrics.
	own := fmt.Sprintf("\n  - job_name: itself\n    scrape_interval: 5s\n    static_configs: [{targets: [%q]}]\n", addr)
	args := []string{"--config.file=prometheus.yml", "--web.listen-address=" + addr, "--log.level=warn"}
	if remote == "" {
		args = append(args, "--storage.tsdb.path=data", "--storage.tsdb.retention.time=1d")
		rules, err := os.ReadFile(filepath.Join(shipped, "ssm-doctor.rules.yml"))
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, "ssm-doctor.rules.yml"), rules, 0o600); err != nil {
			return nil, err
		}
	} else {
		args = append(args, "--enable-feature=agent", "--storage.agent.path=data")
		text = regexp.MustCompile(`(?s)\nrule_files:.*?\n\n`).ReplaceAllString(text, "\n")
		text = regexp.MustCompile(`\n  evaluation_interval: \S+`).ReplaceAllString(text, "")
		own += fmt.Sprintf("\nremote_write:\n  - url: %q\n    queue_config: {max_samples_per_send: 2000, capacity: 20000, max_shards: 20}\n    write_relabel_configs: [{source_labels: [__name__], regex: \"ssm_doctor_.*|up\", action: keep}]\n", remote)
	}
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(text+own), 0o600); err != nil {
		return nil, err
	}
	list, err := json.Marshal([]map[string]any{{"targets": targets, "labels": map[string]string{"region": "eu-central-1", "account": "111122223333"}}})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "targets-fleet.yml"), list, 0o600); err != nil { // JSON is YAML
		return nil, err
	}
	p := &prom{addr: addr, dir: dir, done: make(chan error, 1)}
	p.cmd = exec.Command("prometheus", args...)
	p.cmd.Dir, p.cmd.Stderr = dir, os.Stderr
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.done <- p.cmd.Wait() }()
	for range 300 {
		if _, err = p.get(ctx, "/-/ready"); err == nil {
			return p, nil
		}
		select {
		case err := <-p.done:
			return nil, fmt.Errorf("prometheus ended: %w", errors.Join(err, errors.New("see its log above")))
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil, errors.Join(fmt.Errorf("prometheus is not ready: %w", err), p.stop())
}

func (p *prom) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-p.done:
		return err
	case <-time.After(60 * time.Second):
		return errors.Join(errors.New("prometheus does not stop"), p.cmd.Process.Kill())
	}
}

func (p *prom) get(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, resp.Status)
	}
	return b, err
}

// own sums the series of one of its own metrics whose labels hold a text.
func (p *prom) own(ctx context.Context, metric, label string) (float64, error) {
	b, err := p.get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	sum, found := 0.0, false
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if i := strings.LastIndexByte(line, '}'); i >= 0 {
			name, value = line[:i+1], strings.TrimSpace(line[i+1:])
		}
		base, _, _ := strings.Cut(name, "{")
		if base != metric || !strings.Contains(name, label) {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", metric, err)
		}
		sum, found = sum+v, true
	}
	if !found {
		return 0, fmt.Errorf("no metric %s with %q", metric, label)
	}
	return sum, nil
}

// query is the value of an expression that has one sample.
func (p *prom) query(ctx context.Context, expr string) (float64, error) {
	b, err := p.get(ctx, "/api/v1/query?query="+url.QueryEscape(expr))
	if err != nil {
		return 0, err
	}
	var out struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.Unmarshal(b, &out); err != nil {
		return 0, err
	}
	if len(out.Data.Result) != 1 {
		return 0, fmt.Errorf("%s: %d samples", expr, len(out.Data.Result))
	}
	text, _ := out.Data.Result[0].Value[1].(string)
	return strconv.ParseFloat(text, 64)
}

// peakMemory is the largest resident set so far, in bytes (Linux).
func (p *prom) peakMemory() (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(b)
	if m == nil {
		return 0, errors.New("no VmHWM")
	}
	v, err := strconv.ParseFloat(string(m[1]), 64)
	return v * 1024, err
}

// dataBytes is the size of its files.
func (p *prom) dataBytes() (float64, error) {
	var sum float64
	err := filepath.WalkDir(filepath.Join(p.dir, "data"), func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // a file may vanish meanwhile
		}
		if info, err := d.Info(); err == nil {
			sum += float64(info.Size())
		}
		return nil
	})
	return sum, err
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
