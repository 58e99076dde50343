volume "data" {
  size = "1GB"
}
volume "data" {
  size = "2GB"
}
variable "x" { default = 1 }
variable "x" { default = 2 }
locals {
  a = 1
}
locals {
  a = 2
}
dstack {}
dstack {}
