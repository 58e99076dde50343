volume "data" {
  size = "500GB
}
volume "more" {
  size = "1GB"
}
