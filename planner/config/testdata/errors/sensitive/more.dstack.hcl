volume "counted" {
  count = var.secret
  size  = "1GB"
  lifecycle {
    precondition {
      condition     = true
      error_message = "never"
    }
  }
}
volume "conditional" {
  size = "1GB"
  lifecycle {
    precondition {
      condition     = var.secret
      error_message = "never"
    }
    precondition {
      condition     = var.secret == "x"
      error_message = "It is ${var.secret}."
    }
  }
}
fleet "hosts" {
  ssh {
    user          = "u"
    identity_file = "k"
    network       = var.secret
    host { hostname = var.secret }
  }
}
locals {
  numeric = tonumber(var.secret)
  sum     = 1 + var.secret
}
