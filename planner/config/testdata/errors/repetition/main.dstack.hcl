volume "a" {
  count = -1
  size  = "1GB"
}
volume "b" {
  for_each = ["x", "y"]
  size     = "1GB"
}
volume "c" {
  count    = 2
  for_each = {}
  size     = "${count.index}GB"
}
volume "d" {
  count = 2
  size  = each.value
}
