fleet "lab" {
  ssh {
    user          = "ubuntu"
    identity_file = "~/.ssh/lab"
    host { hostname = "10.0.0.11", blocks = 4 }
  }
}
