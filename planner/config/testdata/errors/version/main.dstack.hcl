dstack {
  required_version = ">= 1.0"
}
