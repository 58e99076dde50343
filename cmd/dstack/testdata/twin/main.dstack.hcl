# Everything that the language can say, for the test that its JSON syntax can say it too.

dstack {
  required_version = ">= 0.1"
  state "local" {
    path = ".dstack/state/${var.stage}"
  }
  access {
    authorized_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBcr5Zq0m6Iq8ZQ0A2sO2r0jJ0X3c6l0e2qv0Q0q0q0q ana"]
  }
}

variable "stage" {
  type        = string
  default     = "test"
  description = "Which stage it is: \"test\" or \"prod\"."
  nullable    = false

  validation {
    condition     = contains(["test", "prod"], var.stage)
    error_message = "There is no stage ${var.stage}."
  }
  validation {
    condition     = length(var.stage) > 3
    error_message = "Too short."
  }
}

variable "sizes" {
  type = map(object({
    size = string
    keep = optional(bool, false)
  }))
  default = {
    small   = { size = "1GB" }
    "large" = { size = "2GB", keep = true }
  }
}

variable "token" {
  sensitive = true
  default   = "t0ken"
}

locals {
  shares = 2
  title  = upper("twin ${var.stage}")
  script = <<-EOT
    set -e
    echo "$${HOME} is the shell's, ${var.stage} is ours" %%{not a directive}
    %{ for name in sort(keys(var.sizes)) ~}
    echo ${name}
    %{ endfor ~}
    %{ if var.stage == "prod" }echo careful%{ else }echo go%{ endif }
  EOT
  nested = {
    list = [1, 2.5, true, null, "text", [local.shares, "a-${local.shares}"]]
    "key with blanks" = { for k, v in var.sizes : k => v.size if !v.keep }
    conditional       = var.stage == "prod" ? "yes" : "no"
    arithmetic        = (1 + local.shares) * 3 % 4
    splat             = values(var.sizes)[*].size
  }
}

backend "local" {
  runtime = "process"
}

profile "quick" {
  default      = true
  max_duration = "2h"
  retry        = { on_events = ["no-capacity", "error"], duration = "1h" }
}

fleet "lab" {
  nodes   = 1
  blocks  = local.shares
  regions = ["local"]
  resources {
    cpu    = "1.."
    memory = "0.1GB.."
  }
  lifecycle {
    create_before_destroy = true
    ignore_changes        = [blocks, resources.memory]
  }
}

fleet "hosts" {
  count = 0
  ssh {
    user          = "ubuntu"
    identity_file = "~/.ssh/id"
    host { hostname = "10.0.0.1" }
    dynamic "host" {
      for_each = { "10.0.0.2" = [], "10.0.0.3" = ["head"] }
      iterator = it
      content {
        hostname = it.key
        dynamic "proxy_jump" {
          for_each = it.value
          content {
            hostname      = proxy_jump.value
            user          = "ubuntu"
            identity_file = "~/.ssh/head"
          }
        }
      }
    }
  }
}

volume "data" {
  for_each = var.sizes
  backend  = "local"
  size     = each.value.size

  lifecycle {
    prevent_destroy = var.stage == "prod"
    precondition {
      condition     = length(each.key) > 1
      error_message = "${each.key} is too short."
    }
    postcondition {
      condition     = self.size != ""
      error_message = "It has no size."
    }
  }
}

volume "scratch" {
  count = 2
  size  = "${count.index + 1}GB"
}

moved {
  from = volume.old
  to   = volume.scratch[0]
}

removed {
  from = volume.gone
  lifecycle {
    destroy = false
  }
}

gateway "public" {
  backend = "local"
  domain  = "*.twin.localhost"
}

task "train" {
  fleet      = fleet.lab
  image      = null
  commands   = [local.script, "echo ${node.rank} of ${node.count}", "echo 100%"]
  env        = { TITLE = local.title, TOKEN = var.token, SHELL_NAME = "$${NAME}" }
  volumes    = [{ volume = volume.data["small"], path = "/data" }]
  depends_on = [volume.scratch[0], module.disk]

  dynamic "resources" {
    for_each = var.stage == "prod" ? [] : [1]
    content {
      cpu = "${resources.value}.."
    }
  }
  lifecycle {
    replace_triggered_by = [volume.scratch[1].size]
  }
}

service "web" {
  fleet    = fleet.lab
  gateway  = gateway.public
  port     = 8000
  auth     = false
  https    = false
  replicas = 1
  commands = ["serve --replica ${replica.index}"]
}

data "offers" "cheap" {
  limit = 1
  resources {
    cpu = "1.."
  }
}

module "disk" {
  source   = "./disk"
  for_each = toset(["a", "b"])

  name = each.key
  size = var.sizes.small.size
}

output "nested" {
  description = "What was made of it."
  value       = local.nested
  depends_on  = [volume.data]

  precondition {
    condition     = length(local.nested.list) == 6
    error_message = "Something is missing."
  }
}

output "script" {
  value = local.script
}

output "token" {
  value     = "token: ${var.token}"
  sensitive = true
}

output "disks" {
  value = { for k, d in module.disk : k => d.name }
}

output "cpu" {
  value = data.offers.cheap.first.region
}

check "sizes" {
  assert {
    condition     = alltrue([for v in volume.data : v.size != "3GB"])
    error_message = "3GB is an odd size."
  }
  assert {
    condition     = var.stage == "test"
    error_message = "Only test is looked at."
  }
}

policy "few" {
  condition     = plan.summary.create < 100
  error_message = "Too many."
}
