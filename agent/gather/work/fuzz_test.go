package work

import (
	"testing"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

// FuzzWork feeds what is read of users, limits, memory and load.
func FuzzWork(f *testing.F) {
	gathertest.AddSeeds(f, "root:x:0:0:root:/root:/bin/bash\nssm-user:x:1001:1001::/home/ssm-user:/bin/sh\n",
		"Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1024                 524288               files     \n", "Max open files unlimited unlimited files\n",
		"1504\t0\t9223372036854775807\n", "1504\t0\t100000\n", "MemTotal:        2097152 kB\nMemFree: 1 kB\nMemAvailable:    1204 kB\n", "0.20 0.18 0.12 1/80 11206\n", "cpu  1 2\ncpu0 1\ncpu1 2\nbtime 1\n", "NaN", "+Inf 1")
	f.Fuzz(func(t *testing.T, b []byte) {
		env := gathertest.InMemory(map[string][]byte{passwd: b, "proc/42/limits": b, "proc/42/fd/1": nil, "proc/sys/fs/file-nr": b, "proc/meminfo": b, "proc/loadavg": b, "proc/stat": b})
		gathertest.Sound(t, users(env, []string{"ssm-user", "root"}))
		ds := descriptors(env, facts.Known(facts.Processes{Core: []facts.Process{{PID: 42, Exe: "/usr/bin/amazon-ssm-agent"}}}, ""))
		gathertest.Sound(t, ds)
		for _, d := range ds.Value {
			if d.Open < 0 || d.Limit < 0 {
				t.Errorf("%+v", d)
			}
		}
		s := systemFiles(env)
		gathertest.Sound(t, s)
		if s.Value.Open < 0 || s.Value.Limit < 0 {
			t.Errorf("%+v", s.Value)
		}
		l := load(env)
		gathertest.Sound(t, l)
		if v, ok := l.Get(); ok && (v.CPUs < 1 || !(v.Average >= 0)) {
			t.Errorf("%+v", v)
		}
		if list := named(b, []string{"a"}); len(list) > 1 {
			t.Errorf("%d users", len(list))
		}
	})
}

func TestProgram(t *testing.T) {
	t.Parallel()
	env := gathertest.New(t, map[string]string{"usr/bin/other": ""})
	if p := program(env, "script"); !p.Absent() {
		t.Errorf("got %+v", p)
	}
	if p := program(env, "other"); p.Known() {
		t.Errorf("a file that nobody may execute is a program: %+v", p)
	}
}

// TestElsewhere: what only the running Linux tells is not asked for elsewhere.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	for _, change := range []func(*gather.Env){func(e *gather.Env) { e.GOOS = "windows" }, func(e *gather.Env) { e.Live = false }} {
		env := gathertest.New(t, map[string]string{"proc/meminfo": "x"}, change)
		f := gathertest.Gather(t, env, Source{})
		for what, code := range map[string]facts.Reason{"descriptors": f.Work.Descriptors.Code, "files": f.Work.SystemFiles.Code, "load": f.Work.Load.Code} {
			if code != facts.NotAskable {
				t.Errorf("%s: %q", what, code)
			}
		}
	}
}
