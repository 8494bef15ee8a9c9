package plugin

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"
)

// saved is the file installstate.
type saved struct {
	Name                 string    `json:"name"`
	Version              string    `json:"version"`
	State                State     `json:"state"`
	Time                 time.Time `json:"time"`
	LastInstalledVersion string    `json:"lastinstalledversion"`
	RetryCount           int       `json:"retrycount"`
}

// Saved is what the agent has noted of the package.
func (n *Node) Saved() (state State, version string) {
	s := n.load()
	return s.State, s.Version
}

func (n *Node) load() saved {
	b, err := os.ReadFile(n.path("packages", n.Name, "installstate"))
	if err != nil {
		if dirs, _ := filepath.Glob(n.path("packages", n.Name, "*")); len(dirs) > 0 {
			return saved{Name: n.Name, Version: filepath.Base(dirs[len(dirs)-1]), State: Unknown}
		}
		return saved{Name: n.Name}
	}
	var s saved
	if json.Unmarshal(b, &s) != nil {
		return saved{Name: n.Name, State: Unknown}
	}
	return s
}

func (n *Node) set(version string, state State) error {
	s := n.load()
	if state == New && s.State != None {
		return nil
	}
	s.RetryCount++
	if s.State != state {
		s.RetryCount = 0
	}
	s.Version, s.State, s.Time = version, state, n.Now()
	switch state {
	case Installed:
		s.LastInstalledVersion = version
	case Uninstalled:
		s.LastInstalledVersion = ""
	}
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return os.WriteFile(n.path("packages", n.Name, "installstate"), b, 0o600)
}

// installedVersion is the last that was installed.
func (s saved) installedVersion() string {
	if s.State == Installed || s.State == Unknown && s.LastInstalledVersion == "" {
		return s.Version
	}
	return s.LastInstalledVersion
}

// note sets the state; the agent goes on when it cannot.
func (r *run) note(version string, state State) {
	if err := r.set(version, state); err != nil {
		r.say("%v", err)
	}
}
