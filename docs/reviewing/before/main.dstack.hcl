variable "gpu" {
  default = "A100:40GB:8"
}

backend "aws" {
  provider = "fake"
}

fleet "train" {
  nodes     = 2
  placement = "cluster"
  regions   = ["us-east-1"]
  resources {
    gpu = var.gpu
  }
}

volume "data" {
  count   = 2
  backend = "aws"
  region  = "us-east-1"
  size    = "500GB"
}

volume "scratch" {
  backend = "aws"
  region  = "us-east-1"
  size    = "500GB"
}

task "finetune" {
  fleet    = fleet.train
  nodes    = 2
  commands = ["torchrun --nnodes=$DSTACK_NODES_NUM train.py"]
  volumes  = [{ volume = volume.data[node.rank], path = "/data" }]
  resources {
    gpu = "A100:8"
  }
}
