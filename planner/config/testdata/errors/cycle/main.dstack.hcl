volume "a" {
  size = volume.b.size
}
volume "b" {
  size = local.size
}
locals {
  size = upper(volume.a.size)
  x    = local.x
}
task "one" {
  commands   = ["true"]
  depends_on = [task.two]
}
task "two" {
  commands   = ["true"]
  depends_on = [task.one]
}
