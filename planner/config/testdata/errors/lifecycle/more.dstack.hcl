fleet "lab" {
  nodes = 1
  lifecycle {
    ignore_changes       = [nodes, resources.gpus, resources.gpu]
    replace_triggered_by = [var.size, local.x, volume.data[each.key], volume.nothing, "volume.data", volume.data.size]
  }
}
variable "size" {
  default = "1GB"
}
locals {
  x = 1
}
