// Package ecs looks for an Amazon ECS task around this process.
package ecs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/hostfile"
	"ssm-doctor/checks/facts"
)

// Source looks for an Amazon ECS task around this process.
type Source struct{}

func (Source) Name() string { return "ecs" }

func (Source) Reset(f *facts.Facts) { f.ECS = facts.ECS{} }

// managedAgentDir is where ECS mounts the agent of execute-command.
const managedAgentDir = "managed-agents/execute-command"

// maxTask bounds the task document; real ones have a few kilobytes.
const maxTask = 256 << 10

func (Source) Gather(ctx context.Context, run *gather.Run, f *facts.Facts) error {
	env := run.Env
	e := &f.ECS
	base := ""
	if env.Live && env.Getenv != nil {
		base = env.Getenv("ECS_CONTAINER_METADATA_URI_V4")
	}
	if !env.Live {
		e.Task = gather.NotAskable[facts.ECSTask](gather.NotLive, "")
	} else if base == "" {
		e.Task = facts.Absent[facts.ECSTask]("no task metadata address in the environment", "env:ECS_CONTAINER_METADATA_URI_V4")
		e.ManagedAgent = facts.Absent[bool]("not in a task", "")
		e.ReadOnlyRoot = facts.Absent[bool]("not in a task", "")
		e.ExecuteCommand = facts.Absent[bool]("not in a task", "")
	}
	managed := env.GOOS != "windows" && gather.Exists(env.FS, managedAgentDir) // on whose drive any user may make it
	if managed || base != "" {
		e.ManagedAgent = facts.Known(managed, gather.FileURL(managedAgentDir))
		e.ExecuteCommand = facts.Known(managed, gather.FileURL(managedAgentDir))
	}
	if base == "" {
		return nil
	}
	b, err := gather.ReadFile(env.FS, "proc/self/mountinfo", 8<<20)
	if m, ok := hostfile.MountOf(hostfile.ParseMounts(b), "/"); ok {
		e.ReadOnlyRoot = facts.Known(strings.Contains(","+strings.Join(m.Opts, ",")+",", ",ro,"), "file:/proc/self/mountinfo")
	} else if err != nil {
		e.ReadOnlyRoot = gather.Unknown[bool](err, "file:/proc/self/mountinfo")
	}
	shown, _ := gather.ShownURL(base, "address")
	from := "ecs:GET " + shown + "/…/task"
	doc, err := taskDocument(ctx, env, base)
	if err == nil {
		var t facts.ECSTask
		if t, err = parseTask(doc); err == nil {
			e.Task = facts.Known(t, from)
			return nil
		}
	}
	e.Task = gather.Unknown[facts.ECSTask](err, from)
	return nil
}

// parseTask decodes the task document of metadata version 4.
func parseTask(b []byte) (facts.ECSTask, error) {
	var in struct{ Cluster, TaskARN, Family string }
	if err := json.Unmarshal(b, &in); err != nil {
		return facts.ECSTask{}, errors.New(gather.JSONError(err))
	}
	return facts.ECSTask{Cluster: gather.OneLine(in.Cluster, 300), TaskARN: gather.OneLine(in.TaskARN, 300), Family: gather.OneLine(in.Family, 300)}, nil
}

// taskDocument asks the metadata endpoint, which must be link-local or loopback.
func taskDocument(ctx context.Context, env *gather.Env, base string) ([]byte, error) {
	if env.Dial == nil {
		return nil, errors.New("no network in this run")
	}
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" {
		return nil, errors.New("the metadata address is not a plain http URL")
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if err != nil || !ip.IsLinkLocalUnicast() && !ip.IsLoopback() {
		return nil, errors.New("the metadata address is not link-local")
	}
	limit := env.Limits.IMDS
	if limit <= 0 {
		limit = time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c := http.Client{
		Transport: gather.BoundedTransport(&http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			return env.Dial(ctx, network, addr, netip.Addr{})
		}}, maxTask),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(base, "/")+"/task", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", env.UserAgent)
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP status %d", resp.StatusCode)
	}
	return io.ReadAll(resp.Body)
}
