check "nothing" {
}

check "wrong" {
  assert {
    condition = true
  }
  assert {
    condition     = each.key == count.index
    error_message = "no"
  }
  assert {
    condition     = "maybe"
    error_message = "no"
  }
  count = 2
}

output "health" {
  value = check.wrong.status
}
