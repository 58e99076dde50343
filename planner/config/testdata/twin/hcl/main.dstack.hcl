dstack {
  required_version = ">= 0.1"
  access {
    authorized_keys = ["ssh-ed25519 AAAA"]
  }
}
variable "size" {
  type    = string
  default = "10GB"
}
locals {
  gpu = "A100:80GB"
}
backend "local" {}
fleet "lab" {
  ssh {
    user          = "ubuntu"
    identity_file = "~/.ssh/lab"
    host { hostname = "10.0.0.11" }
    host { hostname = "10.0.0.12" }
  }
}
fleet "train" {
  nodes = 2
  resources {
    gpu = local.gpu
  }
}
volume "data" {
  count   = 2
  backend = "local"
  size    = var.size
  lifecycle { prevent_destroy = true }
}
task "finetune" {
  nodes      = 2
  commands   = ["train ${node.rank} of ${node.count}"]
  env        = { A = "b" }
  volumes    = ["data:/data"]
  depends_on = [volume.data[0]]
}
data "offers" "cheap" {
  count = 2
  limit = count.index + 1
  resources {
    gpu = local.gpu
  }
}
check "cheap" {
  assert {
    condition     = data.offers.cheap[0].first.price < 1
    error_message = "Too dear."
  }
}
