locals {
  a = uper("x")
  b = file("missing.txt")
  c = jsondecode("{")
  d = 1 + "x"
  e = { a = 1 }.b
}
