volume "data" {
  size   = 500GB
  region = us-east-1a
}
