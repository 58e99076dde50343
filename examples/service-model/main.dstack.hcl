# A model behind an API that any client of OpenAI's can talk to. It runs on this machine and needs no GPU: the model is a
# parrot, which comes with dstack and says what it is told. With a real one only the service changes.

variable "tokens" {
  type        = list(string)
  sensitive   = true
  description = "Who may use the model: bearer tokens, also known as API keys."
}

variable "ports" {
  type        = list(number)
  default     = [8001, 8002]
  description = "The ports of this machine on which the replicas answer."
}

backend "local" {}

fleet "lab" {
  nodes  = 1
  blocks = 2
}

gateway "web" {
  backend = "local"
  domain  = "*.demo.localhost"
}

# Two replicas. The gateway gives each its turn, and goes on with one while the other is replaced.
service "parrot" {
  fleet    = fleet.lab
  gateway  = gateway.web
  replicas = 2
  port     = var.ports[replica.index]
  https    = false
  tokens   = var.tokens
  model    = "acme/parrot"
  commands = ["exec \"$DSTACK_AGENT\" parrot --port ${var.ports[replica.index]} --model acme/parrot"]
}

output "base_url" {
  description = "What a client takes as the base URL of the API."
  value       = "http://gateway.demo.localhost:${gateway.web.port}/v1"
}
