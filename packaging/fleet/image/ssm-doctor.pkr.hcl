# A gate for any Packer template: put this provisioner last. It installs the
# package and ends the build when the image still holds a registration, a key or
# another thing of one machine, which every instance started from it would share.
# The gate stops the SSM Agent, which would go on writing them. Where Packer is connected
# through Session Manager, that is through this agent, it refuses instead: connect another
# way, or set ssm_doctor_gate = false and look into the finished image
# (mounted-image-gate.yaml).
variable "ssm_doctor_package" {
  type        = string
  description = "Path of the deb or rpm of ssm-doctor for the image's architecture."
}

variable "ssm_doctor_gate" {
  type        = bool
  default     = true
  description = "false: install only, and leave the SSM Agent running."
}

build {
  sources = ["source.amazon-ebs.node"]

  provisioner "file" {
    source      = var.ssm_doctor_package
    destination = "/var/tmp/${basename(var.ssm_doctor_package)}"
  }

  provisioner "shell" {
    # sudo would drop how Packer is connected.
    execute_command  = "sudo env SSH_CONNECTION=\"$SSH_CONNECTION\" sh -c '{{ .Vars }} sh {{ .Path }}'"
    environment_vars = ["PACKAGE=${basename(var.ssm_doctor_package)}", "GATE=${var.ssm_doctor_gate}"]
    script           = "${path.root}/gate.sh"
  }
}
