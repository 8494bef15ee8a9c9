package svc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ssm-doctor/agent/safefile"
)

// accounts is the note of which of user and group an installation has made, one a line.
// The packages' scripts write and read the same file. Accounts that were there before,
// from an administrator or a directory, are never taken away.
const accounts = "var/lib/" + Name + ".accounts"

// madeAccounts reads the note; noted is false where an earlier release, which kept none,
// has installed the service.
func (s *systemd) madeAccounts() (made []string, noted bool) {
	b, err := os.ReadFile(s.path(accounts))
	return strings.Fields(string(b)), err == nil
}

func (s *systemd) noteAccounts(made ...string) error {
	path := s.path(accounts)
	text := ""
	for _, what := range made {
		text += what + "\n"
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), safefile.Replace(path, 0o644, []byte(text))); err != nil {
		return fmt.Errorf("write down which accounts were created: %w", err)
	}
	return nil
}

// beginNote notes that nothing was made yet, at the first installation.
func (s *systemd) beginNote() error {
	if _, noted := s.madeAccounts(); noted {
		return nil
	}
	if s.exists(ownUnit) { // installed by a release that kept no note
		return s.noteAccounts("user", "group")
	}
	return s.noteAccounts()
}

// ensureUser makes the service's group and user unless they exist. Whether useradd
// makes a group as well is a setting of the host, so that it is not left to it.
func (s *systemd) ensureUser(ctx context.Context) error {
	err := s.ensureAccount(ctx, "group", [][]string{
		{"groupadd", "--system", Name},
		{"systemd-sysusers", "--inline", "g " + Name + " -"},
	})
	if err != nil {
		return err
	}
	return s.ensureAccount(ctx, "user", [][]string{
		{"useradd", "--system", "--gid", Name, "--no-create-home", "--home-dir", "/var/lib/" + Name, "--shell", "/usr/sbin/nologin", "--comment", "SSM doctor", Name},
		{"systemd-sysusers", "--inline", strings.TrimSpace(Sysusers())},
	})
}

func (s *systemd) ensureAccount(ctx context.Context, what string, tries [][]string) error {
	database := map[string]string{"user": "passwd", "group": "group"}[what]
	if _, err := s.run(ctx, "getent", database, Name); err == nil {
		return nil
	}
	var errs []error
	for _, t := range tries {
		_, err := s.run(ctx, t[0], t[1:]...)
		if err == nil {
			s.say("created the system %s %s", what, Name)
			made, _ := s.madeAccounts()
			if slices.Contains(made, what) {
				return nil
			}
			return s.noteAccounts(append(made, what)...)
		}
		errs = append(errs, err)
	}
	return fmt.Errorf("create the system %s %s: %w", what, Name, errors.Join(errs...))
}

// removeAccounts takes away what an installation has made, and nothing else.
func (s *systemd) removeAccounts(ctx context.Context) {
	made, noted := s.madeAccounts()
	if line, err := s.run(ctx, "getent", "passwd", Name); !noted && err == nil && strings.Contains(line, ":/var/lib/"+Name+":") {
		made = []string{"user", "group"}
	}
	group, err := s.run(ctx, "getent", "group", Name)
	had := err == nil
	if slices.Contains(made, "user") {
		if _, err := s.run(ctx, "userdel", Name); err != nil {
			s.say("the user %s could not be removed: %v", Name, err)
		}
	}
	// userdel takes the group as well on some hosts, and on others it does not.
	_, err = s.run(ctx, "getent", "group", Name)
	switch has := err == nil; {
	case has && slices.Contains(made, "group"):
		if _, err := s.run(ctx, "groupdel", Name); err != nil {
			s.say("the group %s could not be removed: %v", Name, err)
		}
	case had && !has && !slices.Contains(made, "group"):
		if f := strings.Split(group, ":"); len(f) > 2 {
			if _, err := s.run(ctx, "groupadd", "--gid", strings.TrimSpace(f[2]), Name); err != nil {
				s.say("the group %s, which was there before, is gone and could not be made again: %v", Name, err)
			}
		}
	}
	if err := os.Remove(s.path(accounts)); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.say("%v", err)
	}
}
