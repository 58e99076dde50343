# What the workflows beside this file plan and apply.

variable "state" {
  description = "The folder of the state. A job that applies must reach the one that the plan was made from."
  default     = ".dstack/state"
}

dstack {
  state "local" {
    path = var.state
  }
}

backend "local" {}

volume "data" {
  backend = "local"
  size    = "20GB"
}

task "train" {
  backends = ["local"]
  commands = ["date > $DSTACK_MOUNT_ROOT/data/trained"]
  volumes  = [{ volume = volume.data, path = "/data" }]
}

policy "few" {
  condition     = plan.summary.create <= 10
  error_message = "More than 10 new things in one change are hard to review. Make several of it."
}
