variable "idle" {
  default = "2 weeks and a day"
}
fleet "train" {
  nodes         = 2
  idle_duration = var.idle
  resources {
    memory = "16XB"
    gpu    = "A100:80GB:eight"
  }
}
task "finetune" {
  commands = ["true"]
  volumes  = ["data:/data", "data:relative", { volume = "data", path = "/x", mode = "ro" }]
  env      = { "9LIVES" = "cat" }
}
