package plugin

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// script runs one by a generated script in the orchestration folder, as runShellScript
// does. It returns the exit code, -1 when the package has no such script.
func (r *run) script(version, action string) int {
	dir := r.Folder(version)
	if r.PowerShell != nil {
		return r.powerShell(version, action)
	}
	if _, err := os.Stat(filepath.Join(dir, action+".sh")); err != nil {
		return -1
	}
	place := r.path("orchestration", version, action)
	generated := filepath.Join(place, "_script.sh")
	text := fmt.Sprintf("#!/usr/bin/env sh\ncd '%s'\necho Running sh %s.sh\nsh %s.sh\n", dir, action, action)
	if err := errors.Join(os.MkdirAll(place, 0o700), writeProgram(generated, text)); err != nil {
		r.say("%v", err)
		return 1
	}
	cmd := exec.CommandContext(r.ctx, generated)
	cmd.Dir = place
	cmd.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, r.environment(action)...)
	start := r.Start
	if start == nil {
		start = (*exec.Cmd).CombinedOutput
	}
	out, err := start(cmd)
	return r.ended(version+"/"+action+".sh", out, err)
}

// environment is what the agent adds to that of a script.
func (r *run) environment(action string) []string {
	env := []string{
		"BWS_ACTION_NAME=" + action, "BWS_PLATFORM_NAME=debian", "BWS_PLATFORM_VERSION=12",
		"BWS_PLATFORM_FAMILY=debian", "BWS_ARCHITECTURE=x86_64", "BWS_INIT_SYSTEM=systemd", "BWS_PACKAGE_MANAGER=apt",
		"BWS_INSTANCE_ID=i-0123456789abcdef0", "BWS_INSTANCE_TYPE=t3.micro", "BWS_REGION=eu-central-1", "BWS_ACCOUNT_ID=",
		"BWS_AVAILABILITY_ZONE=eu-central-1a", "AWS_SSM_INSTANCE_ID=i-0123456789abcdef0", "AWS_SSM_REGION_NAME=eu-central-1",
		"AWS_SSM_PLATFORM_NAME=Debian GNU/Linux", "AWS_SSM_PLATFORM_VERSION=12",
		"http_proxy=", "https_proxy=", "no_proxy=",
	}
	for k, v := range r.req.Arguments {
		env = append(env, k+"="+v)
	}
	slices.Sort(env)
	return append(env, r.Env...)
}

// ended notes how a script has ended, and returns its code.
func (r *run) ended(name string, out []byte, err error) int {
	code := 0
	if err != nil {
		code = 1
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() > 0 {
			code = exit.ExitCode()
		} else {
			r.say("%v", err)
		}
	}
	r.scripts = append(r.scripts, fmt.Sprintf("%s=%d", name, code))
	r.out.Write(out)
	return code
}

// powerShell carries out a script of a package for Windows, for which no PowerShell is
// needed: a script that is more than one call is refused.
func (r *run) powerShell(version, action string) int {
	dir := r.Folder(version)
	b, err := os.ReadFile(filepath.Join(dir, action+".ps1"))
	if err != nil {
		return -1
	}
	call, err := Called(string(b))
	if err != nil {
		r.say("%s.ps1: %v", action, err)
		return 1
	}
	env := slices.DeleteFunc(r.environment(action), func(v string) bool { return strings.HasSuffix(v, "=") }) // PowerShell unsets what is empty
	out, err := r.PowerShell(r.ctx, dir, env, call)
	return r.ended(version+"/"+action+".ps1", out, err)
}

// windowsScript: the code is 1 unless the program was started.
var windowsScript = regexp.MustCompile(`^\$global:LASTEXITCODE = 1[^\n]*\n& "\$PSScriptRoot\\([a-z.-]+)" ([a-z ]+); exit \$LASTEXITCODE\n$`)

// Called is the program beside a script of a package for Windows, and its arguments.
func Called(script string) ([]string, error) {
	m := windowsScript.FindStringSubmatch(script)
	if m == nil {
		return nil, errors.New("not the call of one program")
	}
	return append([]string{m[1]}, strings.Fields(m[2])...), nil
}
