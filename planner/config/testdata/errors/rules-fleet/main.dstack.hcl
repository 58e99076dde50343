backend "aws" {
  regions = ["us-east-1"]
}
fleet "neither" {
  backends = ["aws", "gpc"]
}
fleet "both" {
  nodes = 1
  env   = { A = "b" }
  ssh {
    host { hostname = "a1" }
  }
}
fleet "env" {
  nodes = 1
  env   = ["A=b"]
}
fleet "hosts" {
  ssh {
    user          = "ubuntu"
    identity_file = "~/.ssh/id"
    network       = "8.8.8.0/24"
    port          = 70000
    host {
      hostname    = "10.0.0.1"
      internal_ip = "10.0.0.1"
    }
    host {
      hostname    = "10.0.0.1"
      internal_ip = "1.1.1.1"
    }
    host { hostname = "10.0.0.3" }
  }
}
fleet "none" {
  ssh {}
}
volume "none" {
  backend = "aws"
  region  = "eu-west-1"
}
gateway "g" {
  backend   = "aws"
  region    = "us-east-1"
  domain    = "not a domain"
  public_ip = false
  certificate { type = "lets-encrypt" }
}
