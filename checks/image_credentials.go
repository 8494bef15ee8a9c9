package checks

import (
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
)

// ImageCredentials is image-credentials.
var ImageCredentials = register(Check{
	ID: "image-credentials", Group: "credentials", Title: "The image carries no credentials",
	Profiles: []Profile{ProfileImage},
	Causes:   []string{"shared-credentials-shadow"},
	Doc:      "Credential files of the agent and of root. They leak with every copy of the image and take the place of the roles of the machines started from it.",
	Eval: func(n *node.Node) Finding {
		files := []facts.Seen[facts.SharedFile]{n.Facts.Credentials.DHMCFile, n.Facts.Credentials.RootFile}
		for _, s := range files {
			if file, ok := s.Get(); ok && len(file.Profiles) > 0 {
				const why = "Remove the file: every copy of the image would carry the keys"
				return blocks("shared-credentials-shadow", Proven, "the image carries credentials in %s", file.Path).
					saw(file.Path, "profile "+file.Profiles[0].Profile+", key "+file.Profiles[0].KeyPrefix+"…", s.From).with("path", file.Path).
					fix(imageFix(
						causes.Step{Text: why, Command: "rm {root}{path}", GOOS: "linux darwin"},
						causes.Step{Text: why, Command: "Remove-Item {path}", GOOS: "windows"})...)
			}
		}
		for _, s := range files {
			if s.Unknown() {
				return unread("credential files", s)
			}
		}
		return pass("no credentials in files of the agent and of root")
	},
})
