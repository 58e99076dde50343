variable "gpu" {
  default = "A100:80GB:8"
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

task "finetune" {
  fleet    = fleet.train
  nodes    = 2
  commands = ["torchrun --nnodes=$DSTACK_NODES_NUM train.py"]
  volumes  = [{ volume = volume.data[node.rank], path = "/data" }]
  resources {
    gpu = "A100:8"
  }
}

fleet "eval" {
  nodes = 1
  resources {
    gpu = "24GB:4"
  }
}

task "eval" {
  fleet    = fleet.eval
  commands = ["python eval.py"]
  resources {
    gpu = "24GB:4"
  }
}

output "evaluated_on" {
  value = fleet.eval.instance[0].instance_type
}

policy "budget" {
  condition     = plan.cost.after.hourly_max <= 120
  error_message = "Research may not spend more than $120 an hour."
}
