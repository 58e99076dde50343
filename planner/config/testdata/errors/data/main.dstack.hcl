data "offer" "cheap" {}

data "offers" {}

data "offers" "cheap" "too" {}

data "offers" "4" {}

data "offers" "cheap" {
  nodes = 0
  limit = 5000
  lifecycle {
    prevent_destroy = true
    ignore_changes  = [limit]
  }
}

data "offers" "cheap" {
  size = "1GB"
}

output "alone" {
  value = [data.offers, data.offers.chaep.first, data.offers.cheap.frist]
}

volume "disk" {
  size = data
}
