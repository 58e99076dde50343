variable "name" {
  type = string
}

variable "size" {
  default = "1GB"
}

volume "disk" {
  name = "disk-${var.name}"
  size = var.size
}

output "name" {
  value = volume.disk.name
}
