variable "token" {
  sensitive = true
}
variable "size" {
  nullable = false
  default  = null
}
