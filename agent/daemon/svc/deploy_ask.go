package svc

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// What a deployment has programs of ours do and say.

func (d *Deployment) serviceInstall(ctx context.Context, program string) error {
	args := []string{"service", "install", "--wait", fmt.Sprintf("%ds", d.wait)}
	if d.noStart {
		args = append(args, "--no-start")
	}
	return d.call(ctx, program, args...)
}

// call runs a program of ours; what it says of a success is no error in the agent's output.
func (d *Deployment) call(ctx context.Context, program string, args ...string) error {
	out, err := d.Host.Run(ctx, program, args...)
	out = strings.TrimSpace(out)
	switch {
	case err != nil && out != "":
		return errors.New(out)
	case err != nil:
		return fmt.Errorf("%s %s: %w", program, strings.Join(args, " "), err)
	case out != "":
		fmt.Fprintln(d.Out, out)
	}
	return nil
}

// runs says what a program tells of itself, or why this host cannot execute it.
func (d *Deployment) runs(ctx context.Context, program string) (string, error) {
	said, err := d.Host.Run(ctx, program, "version")
	said = strings.TrimSpace(said)
	if err != nil || !strings.HasPrefix(said, "ssm-doctor ") {
		if err != nil {
			said = strings.TrimSpace(err.Error() + " " + said)
		}
		return "", fmt.Errorf("%s does not run (blocked by a policy or antivirus, or another architecture): %s", program, clean(said))
	}
	return said, nil
}

// ask asks a program which release it is, and says why it was not run.
func (d *Deployment) ask(ctx context.Context, program string) (release string, err error) {
	said, err := d.Host.Run(ctx, program, "version")
	if m := versionLine.FindStringSubmatch(said); err == nil && m != nil {
		release = m[1]
	}
	return release, err
}

// releaseOf asks a program which release it is; empty when it does not tell.
func (d *Deployment) releaseOf(ctx context.Context, program string) string {
	release, _ := d.ask(ctx, program)
	return release
}
