fleet "a" {
  nodes = (((((1
