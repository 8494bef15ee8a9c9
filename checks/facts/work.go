package facts

import "time"

// Work is what sessions and commands need of the host beside the agent.
type Work struct {
	// Users are the local users that sessions run as; absent: no file of users.
	Users Seen[Users] `json:"users"`
	// Script is the program that writes the transcript of a session; absent: none
	// where the agent looks for programs.
	Script Seen[FoundProgram] `json:"script"`
	// Descriptors are those of the agent's processes.
	Descriptors Seen[[]Descriptors] `json:"descriptors"`
	SystemFiles Seen[SystemFiles]   `json:"system_files"`
	Load        Seen[Load]          `json:"load"`
}

// Users is what the file of local users says.
type Users struct {
	// Named are those of ssm-user and of the users named in the agent's log that exist.
	Named   []string  `json:"named"`
	Changed time.Time `json:"changed,omitzero"` // the file, last
}

// FoundProgram is a program that services find on the host.
type FoundProgram struct {
	Path  string    `json:"path"`
	Since time.Time `json:"since,omitzero"` // the file is there or was changed; zero: not known
}

// Descriptors is how many files a process of the agent holds open, and may.
type Descriptors struct {
	Program string `json:"program"`
	Open    int    `json:"open"`
	Limit   int    `json:"limit"` // 0: none
}

// SystemFiles is how many files all processes hold open, and may.
type SystemFiles struct {
	Open  int `json:"open"`
	Limit int `json:"limit"`
}

// Load is how much of the host is in use.
type Load struct {
	Average   float64 `json:"load_average"` // of one minute
	CPUs      int     `json:"cpus"`
	Total     uint64  `json:"memory_bytes"`
	Available uint64  `json:"available_bytes"` // without swapping
}
