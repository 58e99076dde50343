volume "data" {
  for_each = toset(["a"])
  size     = "1GB"
}
volume "one" {
  size = "1GB"
}
fleet "lab" {
  nodes = 1
}
variable "secret" {
  sensitive = true
}
locals {
  late = volume.one.id
}
import {
  to = fleet.lab
  id = "x"
}
import {
  to = module.net
  id = "x"
}
import {
  to = task.a.job[0]
  id = "x"
}
import {
  to = volume.one
  id = volume.one.id
}
import {
  to = volume.one
  id = local.late
}
import {
  to = volume.one
  id = var.secret
}
import {
  to = volume.one
  id = ""
}
import {
  for_each = { a = "1", b = null }
  to       = volume.data[each.key]
  id       = each.value
}
import {
  to = volume.data[each.key]
  id = "x"
}
import {
  to = volume.one
  id = count.index
}
import {
  for_each = toset(["a", "b"])
  to       = volume.data[var.secret]
  id       = each.key
}
