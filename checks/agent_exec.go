package checks

import (
	"fmt"
	"strings"
	"time"

	"ssm-doctor/checks/facts"
)

// exitExec is systemd's status for a program that could not be executed.
const exitExec = 203

var _ = register(Check{
	ID: "agent-exec", Group: "agent", Title: "Nothing stops the agent's programs from executing",
	Causes: []string{"agent-exec-blocked"},
	Needs:  []string{"agent-installed"},
	Doc: "Service status 203/EXEC, SELinux denials and labels, noexec on file systems the agent executes from, fapolicyd, and \"permission denied\" on exec in its log. " +
		"AppArmor and third-party agents are seen only through the log.",
	Eval: func(f *facts.Facts) Finding {
		if yes, known := agentInstalled(f); known && !yes {
			return skip("no agent is installed")
		}
		fd := fail("agent-exec-blocked", Proven, "")
		why := ""
		if u := mainUnit(f); u != nil && u.ExitStatus == exitExec && u.Active != "active" {
			why = "the service manager could not execute the agent (status 203/EXEC)"
			fd = fd.saw("systemctl show "+u.Name, "ExecMainStatus=203/EXEC", "systemctl:"+u.Name).with("path", u.Exec)
		}
		if se, ok := f.Host.SELinux.Get(); ok {
			for _, d := range se.Denials {
				if d.Permission != "execute" && d.Permission != "execute_no_trans" && d.Permission != "entrypoint" {
					continue
				}
				if !d.At.IsZero() && past(f, d.At) {
					continue
				}
				if se.Mode == "enforcing" && (why != "" || !runs(f)) {
					why = fmt.Sprintf("SELinux denied execute on %s (label %s)", d.Path, d.Target)
					fd = fd.with("path", d.Path)
				}
				fd = fd.sawAt("SELinux audit", fmt.Sprintf("avc: denied { %s } path=%s tcontext=%s, mode %s", d.Permission, d.Path, d.Target, se.Mode), "file:/var/log/audit/audit.log", d.At)
			}
		}
		if m, ok := current(f, facts.SigExecDenied); ok {
			if why == "" {
				why = "an executable of the agent may not be executed"
				fd.Confidence = Likely
			}
			fd = fd.logged(m)
		}
		for _, fs := range f.Host.FileSystems {
			if no, ok := fs.NoExec.Get(); !ok || !no || !(strings.HasPrefix(fs.Dir, "/var/lib") || fs.Dir == "/usr/bin" || strings.HasPrefix(fs.Dir, "/snap")) {
				continue
			}
			fd = fd.saw("mount flags of "+fs.Mount, "noexec", "file:/proc/self/mountinfo").with("mount", fs.Mount)
			if why == "" && fs.Dir != "/usr/bin" {
				// Commands are stored and run below the state directory; the agent itself is not.
				w := warn("agent-exec-blocked", Proven, "%s is mounted noexec: scripts and packages that the agent stores in %s cannot run", fs.Mount, fs.Dir)
				w.Evidence, w.Values = fd.Evidence, fd.Values
				return w
			}
			if why == "" {
				why = fs.Mount + " is mounted noexec"
			} else {
				why += "; " + fs.Mount + " is mounted noexec"
			}
		}
		if s, ok := f.Host.FApolicyd.Get(); ok && s == "active" && why != "" {
			fd = fd.saw("fapolicyd", s, f.Host.FApolicyd.From)
		}
		if why == "" {
			return pass("no refusal seen")
		}
		fd.Summary = why
		return fd
	},
})

// past reports whether something happened before the agent stopped, or before
// this host started, and so cannot be why the agent does not run.
func past(f *facts.Facts, at time.Time) bool {
	if u := mainUnit(f); u != nil && !u.StoppedSince.IsZero() {
		return at.Before(u.StoppedSince.Add(-10 * time.Minute))
	}
	boot, ok := f.Host.BootTime.Get()
	return ok && at.Before(boot)
}

// runs reports whether the core agent is known to run.
func runs(f *facts.Facts) bool { yes, known := coreRunning(f); return known && yes }
