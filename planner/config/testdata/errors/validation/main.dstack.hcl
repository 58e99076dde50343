variable "nodes" {
  type    = number
  default = 9
  validation {
    condition     = var.nodes <= var.most
    error_message = "At most ${var.most} nodes."
  }
}
variable "most" {
  default = 8
}
