variable "size" { default = "10GB" }
volume "data" {
  size = var.sise
}
volume "more" {
  size = local.size
}
task "train" {
  commands = ["echo ${volume.dta.id}", "${each.key}", upper(size)]
  fleet    = fleet.train
  image    = ubuntu
  env      = { A = node.rank, B = node.rnk, C = replica.index }
  nodes    = node.count
}
