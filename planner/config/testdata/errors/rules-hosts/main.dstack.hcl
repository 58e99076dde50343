fleet "some" {
  ssh {
    user          = "ubuntu"
    identity_file = "~/.ssh/id"
    host {
      hostname    = "head"
      internal_ip = "10.0.0.1"
    }
    host { hostname = "worker" }
  }
}
