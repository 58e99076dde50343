fleet "Big_Fleet" {
  nodes = 1
}
volume "1x" {
  size = "1GB"
}
volume "ok" {
  name = "Not OK"
  size = "1GB"
}
