# Everything here runs on this machine. No account and no container runtime is needed.

variable "port" {
  type        = number
  default     = 8000
  description = "The port on which the service answers on this machine."
}

backend "local" {}

# One instance: this machine, divided into two host blocks, so that two runs share it.
fleet "lab" {
  nodes  = 1
  blocks = 2
}

volume "data" {
  backend = "local"
  size    = "1GB"
}

gateway "web" {
  backend = "local"
  domain  = "*.demo.localhost"
}

# A task runs until it ends. This one leaves a page on the volume.
task "write" {
  fleet = fleet.lab
  commands = [
    "echo \"hello from $DSTACK_RUN_NAME\" > $DSTACK_MOUNT_ROOT/data/index.html",
    "cat $DSTACK_MOUNT_ROOT/data/index.html",
  ]
  volumes = [{ volume = volume.data, path = "/data" }]
}

# A service answers until it is stopped. The gateway sends it what is asked of hello.demo.localhost. Any program that
# speaks HTTP will do; this one comes with dstack.
service "hello" {
  fleet    = fleet.lab
  gateway  = gateway.web
  port     = var.port
  auth     = false
  https    = false
  commands = ["exec \"$DSTACK_AGENT\" hello --port ${var.port} --file $DSTACK_MOUNT_ROOT/data/index.html"]
  volumes  = [{ volume = volume.data, path = "/data" }]
}

output "url" {
  description = "Where the service answers."
  value       = "http://hello.demo.localhost:${gateway.web.port}/"
}
