dstack {
  required_version = ">= 1.0"
  state "s4" {
    path = volume.data.name
  }
}
volume "data" { size = "1GB" }
