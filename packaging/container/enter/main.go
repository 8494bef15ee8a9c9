//go:build linux

// Command enter runs a program of a container with the host's root file system as its
// root, as the container has it mounted: the program then finds everything at the paths
// that the host has it at. As a host container of Bottlerocket it takes the root file
// system from where that mounts it.
//
//	enter /host /ssm-doctor ARGUMENT...
package main

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// bottlerocket is where a host container with superpowers finds the host.
const bottlerocket = "/.bottlerocket/rootfs"

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: enter ROOT PROGRAM [ARGUMENT...]")
		os.Exit(64)
	}
	root := os.Args[1]
	if _, err := os.Stat(bottlerocket); err == nil {
		root = bottlerocket
	}
	fmt.Fprintln(os.Stderr, "enter:", enter(root, os.Args[2], os.Args[2:]))
	os.Exit(70)
}

// enter returns only with an error.
func enter(root, program string, args []string) error {
	fd, err := unix.Open(program, unix.O_RDONLY, 0) // stays open over the change of the root
	if err != nil {
		return fmt.Errorf("open %s: %w", program, err)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(root, &st); err != nil {
		return fmt.Errorf("look at %s: %w", root, err)
	}
	if st.Flags&unix.ST_RDONLY == 0 {
		return fmt.Errorf("%s is not mounted read-only, and this program only reads", root)
	}
	if err := unix.Chroot(root); err != nil {
		return fmt.Errorf("make %s the root (this needs CAP_SYS_CHROOT): %w", root, err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	// The file has no name here: it is started by its descriptor, of which the host's
	// /proc tells.
	if err := unix.Exec("/proc/self/fd/"+strconv.Itoa(fd), args, os.Environ()); err != nil {
		return fmt.Errorf("run %s (the host's /proc must be below %s): %w", program, root, err)
	}
	return nil
}
