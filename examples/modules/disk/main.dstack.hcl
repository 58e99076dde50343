# A disk with a name that says whose it is.

variable "owner" {
  description = "Whose disk it is."
  type        = string
}

variable "size" {
  description = "How large it is."
  type        = string
}

volume "data" {
  backend = "local"
  name    = "disk-of-${var.owner}"
  size    = var.size
}

output "name" {
  value = volume.data.name
}

output "volume" {
  description = "The disk itself, to be mounted."
  value       = volume.data
}
