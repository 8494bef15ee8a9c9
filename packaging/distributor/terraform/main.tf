# Installs ssm-doctor from Distributor on managed nodes, ring by ring: one
# association per value of the tag "ssm-doctor", each with a pinned version. Reaches
# only nodes that are managed already.

terraform {
  required_version = ">= 1.3"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "package_name" {
  type        = string
  default     = "ssm-doctor"
  description = "Name or ARN of the Distributor document."
}

variable "rings" {
  type = map(object({
    version         = string
    max_concurrency = optional(string, "5%")
    max_errors      = optional(string, "2%")
  }))
  description = "Value of the tag ssm-doctor => version and pace, e.g. { canary = { version = \"1.3.0\", max_errors = \"1\" }, enabled = { version = \"1.2.3\" } }."

  validation {
    condition     = alltrue([for r in var.rings : can(regex("^[A-Za-z0-9.]+$", r.version))])
    error_message = "A version is letters, digits and dots."
  }
}

variable "schedule" {
  type        = string
  default     = "rate(1 day)"
  description = "How often a broken installation is repaired and a missing one made."
}

variable "additional_arguments" {
  type        = map(string)
  default     = { SSM_DOCTOR_WAIT = "10" }
  description = "Arguments of the scripts; every name begins with SSM_."

  validation {
    condition     = alltrue([for k in keys(var.additional_arguments) : startswith(k, "SSM_")])
    error_message = "The agent fails the run unless every name begins with SSM_."
  }
}

resource "aws_ssm_association" "ring" {
  for_each = var.rings

  name             = "AWS-ConfigureAWSPackage"
  association_name = "ssm-doctor-${each.key}"

  parameters = {
    action              = "Install"
    installationType    = "In-place update" # the only type that the scripts' own rollback works for
    name                = var.package_name
    version             = each.value.version
    additionalArguments = jsonencode(var.additional_arguments)
  }

  targets {
    key    = "tag:ssm-doctor"
    values = [each.key]
  }

  schedule_expression = var.schedule
  max_concurrency     = each.value.max_concurrency
  max_errors          = each.value.max_errors
  compliance_severity = "MEDIUM"
}

output "associations" {
  description = "Ring => id of its association."
  value       = { for ring, a in aws_ssm_association.ring : ring => a.association_id }
}
