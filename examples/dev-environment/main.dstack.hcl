# A place to work in: an editor of this machine opens it, and it ends by itself when nobody is connected any more.

variable "ide" {
  type        = string
  default     = "vscode"
  description = "The editor: vscode or cursor."
}

backend "local" {}

fleet "lab" {
  nodes = 1
}

dev_environment "work" {
  fleet = fleet.lab
  ide   = var.ide
  env   = { GREETING = "Welcome" }

  # What prepares it. What runs on in the background ends with it.
  init = [
    "echo \"$GREETING\" > welcome.txt",
    "$DSTACK_AGENT hello --port 8000 &",
  ]

  # What it serves is to be had on this machine while somebody is attached.
  ports = [8000]

  inactivity_duration = "2h"
}
