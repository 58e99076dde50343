task "empty" {}
task "images" {
  commands = ["true"]
  image    = "ubuntu"
  python   = "3.12"
  nvcc     = true
}
task "wrong" {
  commands    = ["true"]
  nodes       = 0
  python      = "3.7"
  working_dir = "../up"
  runtime     = "dokcer"
  max_price   = 0
}
task "amd" {
  commands = ["true"]
  resources {
    gpu = "MI300X"
  }
}
dev_environment "ide" {
  ide        = "vim"
  entrypoint = "bash"
}
service "web" {
  commands = ["true"]
  replicas = "1..4"
}
service "web2" {
  commands = ["true"]
  port     = 80
  replicas = 2
  gateway  = false
  https    = false
  scaling {
    metric = "cpu"
    target = 0
  }
  model = { name = "m", chat_template = "x" }
}
