package checks

import (
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

// imageFix is a remedy for an image: steps with root rights, one per system or
// for all, then the gate once more.
func imageFix(steps ...causes.Step) []causes.Step {
	for i := range steps {
		steps[i].Where, steps[i].Root = causes.OnHost, true
	}
	return append(steps, causes.ImageAgain)
}

// cleanImage removes all that the machine an image was made from left of its
// own. The checks that find parts of it name one cause, and so one remedy.
func cleanImage(f *facts.Facts) []causes.Step {
	var left []string // in the agent's data directory
	r := &f.Registration
	if r.Hybrid.Known() || r.EC2.Known() || r.Fingerprint.Known() {
		left = append(left, "Vault")
	}
	if r.Informational.Known() {
		left = append(left, "registration")
	}
	for _, id := range r.NodeFolders.Value {
		if causes.Safe(id) {
			left = append(left, id)
		}
	}
	unix, windows := "rm -rf", "Remove-Item -Recurse -Force "
	for i, name := range left {
		unix += " {root}{data}/" + name
		if i > 0 {
			windows += ","
		}
		windows += "(Join-Path {data} " + name + ")"
	}
	if f.Credentials.Runtime.Known() {
		unix += " {root}{runtime}"
		if len(left) > 0 {
			windows += ","
		}
		windows += "{runtime}"
	}
	var steps []causes.Step
	if f.Live() {
		steps = append(steps, causes.Step{Text: "Stop the agent, or it writes its state again", Command: "{stop}"})
	}
	const what = "Remove what belongs to the machine that the image was made from"
	return imageFix(append(steps,
		causes.Step{Text: what, Command: unix, GOOS: "linux darwin"},
		causes.Step{Text: what, Command: windows, GOOS: "windows"})...)
}
