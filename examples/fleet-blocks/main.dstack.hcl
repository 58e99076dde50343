# Two instances, each divided into two host blocks: four small runs side by side, none in the way of another.

backend "local" {}

fleet "shared" {
  nodes  = 2
  blocks = 2
}

task "part" {
  count = 4
  fleet = fleet.shared
  commands = [
    "echo \"part ${count.index + 1} of 4 is on its own block\"",
    "sleep 1",
  ]
}

output "parts" {
  description = "The instance that each part runs on."
  value       = [for p in task.part : p.job[0].instance]
}
