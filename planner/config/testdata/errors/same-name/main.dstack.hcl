task "train" {
  commands = ["true"]
}
service "train_2" {
  name     = "train"
  commands = ["true"]
  port     = 80
}
volume "train" {
  count = 2
  name  = "train"
  size  = "1GB"
}
