// Command agent runs AWS-ConfigureAWSPackage on the guest it is started in, the way the
// SSM Agent would.
//
//	agent -packages DIR -default VERSION [-version V] [-uninstall] [-reinstall] [-later 16m] [KEY=VALUE...]
//
// DIR holds a folder for each version, with manifest.json and one zip. It prints what the
// console would show, and ends with 0 for Success and 1 for Failed.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"ssm-doctor/packaging/distributor/plugin"
)

func main() {
	ok, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

func run() (bool, error) {
	packages := flag.String("packages", "", "`folder` of the versions")
	def := flag.String("default", "", "default `version` of the document")
	version := flag.String("version", "", "`version` that is asked for")
	uninstall := flag.Bool("uninstall", false, "action Uninstall")
	reinstall := flag.Bool("reinstall", false, "type Uninstall and reinstall, not In-place update")
	later := flag.Duration("later", 0, "how far the clock has gone on")
	corrupt := flag.Bool("corrupt", false, "the attachment is not what the manifest says")
	data := flag.String("data", "/var/lib/amazon/ssm", "`folder` of the agent")
	wine := flag.String("wine", "", "`program` that runs the packages for Windows")
	show := flag.Bool("state", false, "print the agent's note of the package")
	var flags, arguments []string // in any order
	for _, a := range os.Args[1:] {
		if strings.HasPrefix(a, "SSM_") {
			arguments = append(arguments, a)
		} else {
			flags = append(flags, a)
		}
	}
	if err := flag.CommandLine.Parse(flags); err != nil {
		return false, err
	}
	n := &plugin.Node{Data: *data, Name: "ssm-doctor", Default: *def, Documents: map[string]plugin.Document{},
		Now: func() time.Time { return time.Now().Add(*later) }}
	if *wine != "" {
		n.PowerShell = func(ctx context.Context, folder string, env, call []string) ([]byte, error) {
			cmd := exec.CommandContext(ctx, *wine, append([]string{filepath.Join(folder, call[0])}, call[1:]...)...)
			cmd.Dir, cmd.Env = folder, append(os.Environ(), env...)
			return cmd.CombinedOutput()
		}
	}
	if *show {
		words := map[plugin.State]string{plugin.Failed: "Failed", plugin.Installed: "Installed", plugin.Updating: "Updating", plugin.Installing: "Installing"}
		state, v := n.Saved()
		if word := words[state]; word != "" {
			fmt.Println(word, v)
		} else {
			fmt.Println("-")
		}
		return true, nil
	}
	files, err := filepath.Glob(filepath.Join(*packages, "*", "manifest.json"))
	if err != nil || len(files) == 0 {
		return false, fmt.Errorf("no packages in %s: %w", *packages, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return false, err
		}
		zips, err := filepath.Glob(filepath.Join(filepath.Dir(f), "*.zip"))
		if err != nil || len(zips) != 1 {
			return false, fmt.Errorf("%v beside %s: %w", zips, f, err)
		}
		if *corrupt {
			b = []byte(strings.ReplaceAll(string(b), `"sha256": "`, `"sha256": "00`))
		}
		n.Documents[filepath.Base(filepath.Dir(f))] = plugin.Document{Manifest: b, File: zips[0]}
	}
	req := plugin.Request{Uninstall: *uninstall, Version: *version, InPlace: !*reinstall, Arguments: map[string]string{}}
	for _, a := range arguments {
		k, v, _ := strings.Cut(a, "=")
		req.Arguments[k] = v
	}
	got := n.Configure(context.Background(), req)
	fmt.Print(got.Out)
	return got.OK, nil
}
