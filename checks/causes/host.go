package causes

var hostCauses = []Cause{
	Cause{
		ID: "disk-full", Group: "host", Severity: Warning, Title: "disk full",
		Meaning: "The file system on which the agent keeps its state or its log has no free space. The agent cannot store documents, start sessions or renew what it keeps on disk; a heartbeat may still get through.",
		Fix: []Step{
			unix.onHost("Find what takes the space on {mount}", "du -xh -d 2 {mount} | sort -h | tail -20"),
			linux.asRoot("Free space: old journals and package caches are safe to drop first", "journalctl --vacuum-size=100M"),
			mac.asRoot("Free space: remove what nobody needs, then see how much is free", "df -h {mount}"),
			windows.onHost("Check how much is free, and the largest files", "Get-PSDrive -PSProvider FileSystem; Get-ChildItem C:\\ -Recurse -File -ErrorAction SilentlyContinue | Sort-Object Length -Descending | Select-Object -First 20 Length,FullName"),
			windows.asRoot("Free space: superseded Windows components are safe to drop first", "Dism.exe /Online /Cleanup-Image /StartComponentCleanup"),
			operator("If nothing can be freed, grow the volume, then the file system", "aws ec2 modify-volume --region {region} --volume-id VOLUME_ID --size NEW_SIZE_GIB"),
			restart, verify,
		},
		Docs: []string{docAgentLog},
	},
	Cause{
		ID: "inode-exhausted", Group: "host", Severity: Warning, Title: "no inodes left",
		Meaning: "The file system on which the agent writes can hold no more files, although space is free. Nothing new can be created there.",
		Fix: []Step{
			linux.onHost("Find the directories on {mount} that hold the most files", "du -x --inodes --max-depth=3 {mount} | sort -n | tail -20"),
			linux.asRoot("Free inodes: temporary files past their age, and what the agent kept of commands for more than a week, are safe to drop first", "systemd-tmpfiles --clean; find {data} -xdev -type f -path '*/orchestration/*' -mtime +7 -delete"),
			mac.asRoot("Free inodes: what the agent kept of commands for more than a week is safe to drop first", "find {data} -xdev -type f -path '*/orchestration/*' -mtime +7 -delete"),
			unix.asRoot("If none are free then, remove files nobody needs there (session and mail spools, package caches)", "df -i {mount}"),
			restart, verify,
		},
		Docs: []string{docAgentLog},
	},
	Cause{
		ID: "inotify-exhausted", Group: "host", Severity: Warning, Title: "inotify exhausted",
		Meaning: "The kernel's limit of inotify instances or watches is used up. The agent's processes talk through watched files and fail with \"no space left on device\" although the disk has space.",
		Fix: []Step{
			linux.asRoot("Raise the limits now", "sysctl -w fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=1024"),
			linux.asRoot("Keep them after a reboot", "printf 'fs.inotify.max_user_watches=524288\\nfs.inotify.max_user_instances=1024\\n' > /etc/sysctl.d/60-inotify.conf"),
			restart, verify,
		},
		Docs: []string{docAgentLog},
	},
	Cause{
		ID: "filesystem-readonly", Group: "host", Severity: Critical, Title: "file system read-only",
		Meaning: "The file system with the agent's state or log is mounted read-only, by intent or because the kernel stopped writing after an error. The agent cannot store its identity or its work.",
		Fix: []Step{
			linux.asRoot("Check whether the kernel switched it to read-only after an error", "dmesg | grep -iE 'remount|I/O error|read-only'"),
			linux.asRoot("If the device is healthy, mount it for writing again", "mount -o remount,rw {mount}"),
			linux.asRoot("If the root is read-only by design, give the agent a writable {data} (a volume or tmpfs in /etc/fstab), then mount it", "mount {data}"),
			restart, verify,
		},
		Docs: []string{docAgentLog},
	},
	Cause{
		ID: "state-dir-permissions", Group: "host", Severity: Critical, Title: "agent cannot use its state directory",
		Meaning: "The agent does not run as root, or files in its state directory belong to somebody else or cannot be written. It then cannot read its registration or store credentials.",
		Fix: []Step{
			RunAsRoot,
			linux.asRoot("Make root the owner of the state directory again", "chown -R root:root {data}\nchmod 700 {data}"),
			linux.asRoot("Restart the agent", "systemctl daemon-reload\n{restart}"),
			mac.asRoot("Make root the owner of the state directory again", "chown -R root:wheel {data}\nchmod 700 {data}"),
			RunAsSystem, OwnAgain,
			restartMac, restartWindows,
			verify,
		},
		Docs: []string{docAgentLog},
	},
	Cause{
		ID: "wmi-stopped", Group: "host", Severity: Warning, Title: "Windows Management Instrumentation stopped",
		Meaning: "The service Winmgmt of Windows does not run. The agent asks it for the hardware of the machine: without it a hybrid node has no fingerprint, and so gets no credentials at its next start, and inventory and patching fail.",
		Fix: []Step{
			windows.asRoot("Let the service start with Windows, and start it", "Set-Service -Name Winmgmt -StartupType Automatic; Start-Service -Name Winmgmt"),
			windows.onHost("Check that it answers", "Get-CimInstance -ClassName Win32_ComputerSystemProduct | Select-Object Name"),
			restart, verify,
		},
		Docs: []string{docTroubleshoot},
	},
	Cause{
		ID: "sysprep-incomplete", Group: "host", Severity: Critical, Title: "Windows setup not finished",
		Meaning: "Windows says that its image state is not IMAGE_STATE_COMPLETE. The agent waits for setup to finish and does not start.",
		Fix: []Step{
			windows.onHost("Look at the state and what setup reports", `Get-ItemProperty 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Setup\State' | Select-Object ImageState; Get-Content C:\Windows\Panther\UnattendGC\setuperr.log -Tail 20`),
			windows.asRoot("Let sysprep finish: on the template machine only, correct the answer file named there and run it again before the image is taken. It generalizes Windows and shuts the machine down", `& "$env:SystemRoot\System32\Sysprep\sysprep.exe" /generalize /oobe /shutdown`),
			verify,
		},
		Docs: []string{docTroubleshoot},
	},
}
