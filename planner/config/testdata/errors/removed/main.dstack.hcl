volume "data" {
  size = "1GB"
}
volume "other" {
  size = "1GB"
}
removed {
  from = volume.data
}
removed {
  from = volume.gone
  lifecycle {
    destroy = false
  }
}
removed {
  from = volume.gone
}
removed {
  from = volume.late
  lifecycle {
    destroy = volume.other.size == "1GB"
  }
}
removed {
  from = task.x.job[0]
}
removed {
  to = volume.data
}
