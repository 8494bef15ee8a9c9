package cloudtest

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// CLI is the AWS CLI of this machine.
type CLI struct {
	Program string
	Models  Models
}

// FindCLI finds it, once.
var FindCLI = sync.OnceValues(func() (CLI, error) {
	program, err := exec.LookPath("aws")
	if err != nil {
		return CLI{}, err
	}
	ctx, done := context.WithTimeout(context.Background(), 2*time.Minute)
	defer done()
	// The program behind a shim of a version manager, which takes as long as the call.
	if out, err := exec.CommandContext(ctx, "pyenv", "which", "aws").Output(); err == nil {
		program = strings.TrimSpace(string(out))
	}
	models, err := LoadModels(ctx, program)
	return CLI{program, models}, err
})

// Run makes a call against a cloud at an address.
func (c CLI) Run(ctx context.Context, address string, args ...string) (stdout, stderr []byte, err error) {
	cmd := exec.CommandContext(ctx, c.Program, append(args, "--endpoint-url", address)...)
	cmd.Env = environment()
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	return o.Bytes(), e.Bytes(), err
}
