variable "hosts" {
  default = { a = "4", b = "many" }
}
variable "secret" {
  sensitive = true
}
fleet "lab" {
  ssh {
    user          = "ubuntu"
    identity_file = "~/.ssh/id"
    dynamic "host" {
      for_each = var.hosts
      content {
        hostname = host.key
        blocks   = host.value
      }
    }
    dynamic "host" {
      for_each = var.hosts
      iterator = machine
      content {
        hostname = machine.name
        block    = 1
      }
    }
  }
}
fleet "secret" {
  ssh {
    user          = "ubuntu"
    identity_file = "~/.ssh/id"
    dynamic "host" {
      for_each = toset([var.secret])
      content {
        hostname = host.value
      }
    }
  }
}
task "train" {
  commands = ["true"]
  dynamic "resource" {
    for_each = [1]
    content {}
  }
  dynamic "resources" {
    for_each = 8
    content {
      gpu = "A100:${resources.value}"
    }
  }
}
service "web" {
  commands = ["true"]
  port     = 80
  dynamic "resources" {
    foreach = [1]
    cpu     = 2
  }
  dynamic "scaling" {
    for_each = [1]
    iterator = each
    content {}
  }
  dynamic "lifecycle" {
    for_each = [1]
    content {}
  }
  dynamic {
    content {}
  }
  lifecycle {
    dynamic "precondition" {
      for_each = [1]
      content {
        condition     = true
        error_message = ""
      }
    }
  }
}
gateway "public" {
  backend = "local"
  region  = "local"
  dynamic "certificate" {
    for_each = null
    content {}
  }
  dynamic "certificate" {
    for_each = [1]
    content { type = "acm" }
    content { type = "lets-encrypt" }
  }
}
locals {
  host = host.value
}
