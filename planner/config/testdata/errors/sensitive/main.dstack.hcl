variable "secret" {
  sensitive = true
}
volume "data" {
  size = var.secret
}
volume "each" {
  for_each = toset([var.secret])
  size     = "1GB"
}
task "train" {
  name     = var.secret
  commands = ["true"]
  python   = var.secret
}
output "secret" {
  value = var.secret
}
