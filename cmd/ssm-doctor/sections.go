package main

import "ssm-doctor/agent/config"

// section is a part of the help and of the man page of check below its flags.
type section struct {
	head string
	rows [][2]string
}

// checkSections say what scripts and administrators ask of the help.
func checkSections(goos string) []section {
	return []section{
		{"Exit status", [][2]string{
			{"0", "managed; also managed with a fault, but for --fail-on=warning"},
			{"1", "managed with a fault, under --fail-on=warning, -q and -o nagios"},
			{"2", "not managed, or an image that is not ready"},
			{"3", "cannot tell"},
			{"64", "usage or configuration error"},
			{"70", "error of this program, or the output cannot be written"},
			{"130", "interrupted"},
		}},
		{"Environment", [][2]string{
			{"SSM_DOCTOR_FLAG", "a value for --flag, such as SSM_DOCTOR_TIMEOUT=60s; a flag wins"},
			{"SSM_DOCTOR_PSEUDONYM_KEY", "key of the names that stand in for others, for hosts that are to share them"},
			{"NO_COLOR, CLICOLOR_FORCE, TERM", "colour, unless --color says so"},
			{"LC_ALL, LC_CTYPE, LANG", "ASCII unless UTF-8, unless --ascii says so"},
		}},
		{"Files", [][2]string{
			{config.DefaultFile(goos), "configuration of the daemon; ssm-doctor config show prints all of it"},
			{defaultState(), "state of the daemon: history, which ssm-doctor history prints"},
		}},
	}
}

func defaultState() string { return config.Default().StateDir }

// sectionsOf are those of a command, by its path.
func sectionsOf(path, goos string) []section {
	switch path {
	case "ssm-doctor", "ssm-doctor check":
		return checkSections(goos)
	case "ssm-doctor config check":
		return []section{{"Exit status", [][2]string{{"0", "the file is good"}, {"64", "it is not, or cannot be read"}}}}
	}
	return nil
}
