flete "train" {
  nodes = 2
}
module "eu" {
  source = "./eu"
}
resource "x" "y" {}
nodes = 3
