volume "data" {
  size = "1GB"
  lifecycle {
    prevent_destroy = volume.other.id == ""
    ignore_changes  = [sise, "x y"]
    precondition {
      condition     = length("abc") > 3
      error_message = "Too short."
    }
  }
}
volume "other" {
  size      = "1GB"
  lifecycle = { prevent_destroy = true }
}
