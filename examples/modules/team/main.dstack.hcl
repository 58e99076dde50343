# What one team gets.

variable "team" {
  description = "The name of the team."
  type        = string
}

variable "nodes" {
  description = "How many machines it has."
  type        = number

  validation {
    condition     = var.nodes > 0
    error_message = "A team without machines needs no module: take it out of the list."
  }
}

variable "disk" {
  description = "How large its disk is."
  type        = string
}

fleet "machines" {
  nodes = var.nodes
}

# A module may call modules. The path is that of another folder, seen from this one.
module "disk" {
  source = "../disk"

  owner = var.team
  size  = var.disk
}

task "check" {
  fleet    = fleet.machines
  commands = ["echo \"${var.team} has a disk: $(ls -d $DSTACK_MOUNT_ROOT/disk | wc -l)\""]
  volumes  = [{ volume = module.disk.volume, path = "/disk" }]
}

output "disk" {
  description = "The name of its disk."
  value       = module.disk.name
}
