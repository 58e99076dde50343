# One configuration for every environment. What differs is in dev.dstackvars, staging.dstackvars and prod.dstackvars.

variable "environment" {
  description = "Which environment this is. It has no default on purpose: nobody should plan prod by forgetting a flag."
  type        = string

  validation {
    condition     = contains(["dev", "staging", "prod"], var.environment)
    error_message = "There are dev, staging and prod, and no ${var.environment}."
  }
}

variable "size" {
  description = "How large the environment is. What a file leaves out is as small as can be."
  type = object({
    nodes = optional(number, 1)
    disk  = optional(string, "1GB")
    port  = number
  })

  validation {
    condition     = var.environment != "prod" || var.size.nodes > 1
    error_message = "prod has one machine more than it needs, for the next release to start on."
  }
}

variable "greeting" {
  description = "What the service says."
  type        = string
  default     = "hello"
}

locals {
  prod = var.environment == "prod"
}

dstack {
  # Each environment has a state of its own, so what is done in one cannot touch another.
  state "local" {
    path = ".dstack/state/${var.environment}"
  }
}

backend "local" {}

fleet "serve" {
  nodes = var.size.nodes
}

volume "pages" {
  backend = "local"
  size    = var.size.disk

  lifecycle {
    prevent_destroy = local.prod
  }
}

gateway "web" {
  backend = "local"
  domain  = "*.${var.environment}.localhost"
}

service "hello" {
  name    = "hello-${var.environment}"
  fleet   = fleet.serve
  gateway = gateway.web
  port    = var.size.port
  auth    = false
  https   = false
  commands = [
    "echo \"${var.greeting} from ${var.environment}\" > $DSTACK_MOUNT_ROOT/pages/index.html",
    "exec \"$DSTACK_AGENT\" hello --port ${var.size.port} --file $DSTACK_MOUNT_ROOT/pages/index.html",
  ]
  volumes = [{ volume = volume.pages, path = "/pages" }]
}

# Looks at the page before anybody else does, where it matters.
task "smoke" {
  count      = var.environment == "dev" ? 0 : 1
  name       = "smoke-${var.environment}"
  depends_on = [service.hello]
  commands   = ["cat $DSTACK_MOUNT_ROOT/pages/index.html"]
  volumes    = [{ volume = volume.pages, path = "/pages" }]
}

output "url" {
  description = "Where the service answers."
  value       = "http://hello-${var.environment}.${var.environment}.localhost:${gateway.web.port}/"
}
