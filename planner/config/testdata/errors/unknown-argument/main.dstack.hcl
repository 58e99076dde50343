fleet "train" {
  node = 2
  resources {
    gpus = "A100"
  }
}
volume "data" {
  size = "10GB"
  replication {
    factor = 2
  }
}
