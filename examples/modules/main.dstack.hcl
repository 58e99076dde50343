# Teams that each get the same things: machines, a disk, and a task that looks whether they work.

variable "teams" {
  description = "What each team gets. A team that is taken out loses its things, and no other team's change."
  type = map(object({
    nodes = optional(number, 1)
    disk  = optional(string, "1GB")
  }))
  default = {
    speech = {}
    vision = { disk = "2GB" }
  }
}

backend "local" {}

module "team" {
  source   = "./team"
  for_each = var.teams

  team  = each.key
  nodes = each.value.nodes
  disk  = each.value.disk
}

# The same module, called by itself. It is there when all teams are.
module "shared" {
  source     = "./disk"
  depends_on = [module.team]

  owner = "everybody"
  size  = "1GB"
}

output "disks" {
  description = "The disk of each team, by its name."
  value       = merge({ for name, t in module.team : name => t.disk }, { everybody = module.shared.name })
}
