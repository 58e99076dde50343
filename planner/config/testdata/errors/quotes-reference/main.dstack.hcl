variable "image" {}
fleet "train" { nodes = 1 }
variable "n" { default = 3 }
task "train" {
  fleet    = "fleet.train"
  image    = ubuntu
  commands = ["true"]
}
fleet "other" {
  nodes = "var.n"
}
