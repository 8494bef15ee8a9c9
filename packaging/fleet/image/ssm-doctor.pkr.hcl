# A gate for any Packer template: put this provisioner last. It installs the
# package and ends the build when the image still holds a registration, a key or
# another thing of one machine, which every instance started from it would share.
variable "ssm_doctor_package" {
  type        = string
  description = "Path of the deb or rpm of ssm-doctor for the image's architecture."
}

build {
  sources = ["source.amazon-ebs.node"]

  provisioner "file" {
    source      = var.ssm_doctor_package
    destination = "/var/tmp/${basename(var.ssm_doctor_package)}"
  }

  provisioner "shell" {
    execute_command = "sudo sh -c '{{ .Vars }} sh {{ .Path }}'"
    inline = [
      "set -e",
      "cd /var/tmp",
      "case ${basename(var.ssm_doctor_package)} in *.deb) dpkg -i ${basename(var.ssm_doctor_package)} ;; *) rpm -U ${basename(var.ssm_doctor_package)} ;; esac",
      "rm -f ${basename(var.ssm_doctor_package)}",
      "systemctl stop ssm-doctor amazon-ssm-agent snap.amazon-ssm-agent.amazon-ssm-agent 2>/dev/null || true",
      "rm -rf /var/lib/ssm-doctor",
      "ssm-doctor check --profile image",
    ]
  }
}
