variable "fleets" {
  type = list(object({ gpu = string, nodes = optional(number, 1) }))
}
variable "ports" {
  default = [8000, { bad = 1 }]
}
task "train" {
  commands = "python train.py"
  nodes    = 1.5
  ports    = var.ports
}
