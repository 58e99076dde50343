volume "data" {
  for_each = toset(["a", "b"])
  size     = "1GB"
}
import {
  to = volume.data["a"]
  id = "vol-1"
}
import {
  for_each = { a = "vol-2" }
  to       = volume.data[each.key]
  id       = each.value
}
import {
  to = volume.data["b"]
  id = "vol-1"
}
