# What the expressions of table.txt mention. Terraform reads it too; what each has in its own way stands in beside.hcl and
# in the test.
variable "secret" {
  default   = "s3cret"
  sensitive = true
}
variable "passing" {
  type      = string
  default   = "once"
  ephemeral = true
}
variable "typed" {
  type = object({
    text   = optional(string)
    number = optional(number, 3)
    flag   = optional(bool)
    list   = optional(list(string))
    set    = optional(set(number))
    map    = optional(map(list(bool)))
    object = optional(object({ a = string }))
    tuple  = optional(tuple([string, number]))
    any    = optional(any)
  })
  default = {}
}
variable "strings" {
  type    = list(string)
  default = ["b", "a", "c"]
}
variable "numbers" {
  type    = map(number)
  default = { one = 1, two = 2 }
}
variable "objects" {
  type    = list(object({ name = string, gpus = number, tags = set(string) }))
  default = [{ name = "a", gpus = 8, tags = ["x", "y"] }, { name = "b", gpus = 4, tags = [] }]
}
locals {
  unknown_text   = "${local.unknown}"
  unknown_number = tonumber(local.unknown)
  unknown_bool   = tobool(local.unknown)
  unknown_list   = tolist(local.unknown)
  unknown_set    = toset(local.unknown)
  unknown_map    = tomap(local.unknown)
  partly         = { known = "a", later = local.unknown }
  greeting       = "hello $${name}"
  each_greeting  = "%%{ for n in names }<$${n}>%%{ endfor }"
  broken         = "hello $${"
  nothing        = null
  nested         = { a = { b = { c = [1, { d = "deep" }] } } }
  secrets        = { open = "a", hidden = sensitive("b") }
}
