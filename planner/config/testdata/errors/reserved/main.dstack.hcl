variable "source" {}
variable "count" {
  default = 1
}
