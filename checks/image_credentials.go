package checks

import (
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "image-credentials", Group: "credentials", Title: "The image carries no credentials", Profile: ProfileImage,
	Causes: []string{"shared-credentials-shadow"},
	Doc:    "Credential files of the agent and of root. They leak with every copy of the image and take the place of the roles of the machines started from it.",
	Eval: func(f *facts.Facts) Finding {
		for _, s := range []facts.Seen[facts.SharedFile]{f.Credentials.DHMCFile, f.Credentials.RootFile} {
			if file, ok := s.Get(); ok && len(file.Profiles) > 0 {
				return fail("shared-credentials-shadow", Proven, "the image carries credentials in %s", file.Path).
					saw(file.Path, "profile "+file.Profiles[0].Profile+", key "+file.Profiles[0].KeyPrefix+"…", s.From).with("path", file.Path).
					fix(imageFix(
						causes.Step{Text: "Remove the file: every copy of the image would carry the keys", Command: "rm {root}{path}", GOOS: "linux darwin"},
						causes.Step{Text: "Remove the file: every copy of the image would carry the keys", Command: "Remove-Item {path}", GOOS: "windows"})...)
			}
		}
		for _, s := range []facts.Seen[facts.SharedFile]{f.Credentials.DHMCFile, f.Credentials.RootFile} {
			if s.Unknown() {
				return unknown("credential files: %s", s.Reason())
			}
		}
		return pass("none")
	},
})
