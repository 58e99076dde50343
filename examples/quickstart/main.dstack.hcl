# Everything here runs on this machine. No account and no container runtime is needed.

variable "port" {
  type        = number
  default     = 8000
  description = "The port on which the service answers on this machine."
}

backend "local" {}

# One instance: this machine, divided into two host blocks, so that two runs share it.
fleet "lab" {
  nodes  = 1
  blocks = 2
}

volume "data" {
  backend = "local"
  size    = "1GB"
}

gateway "web" {
  backend = "local"
  domain  = "*.demo.localhost"
}

# A task runs until it ends. This one leaves a page on the volume.
task "write" {
  fleet = fleet.lab
  commands = [
    "echo \"hello from $DSTACK_RUN_NAME\" > $DSTACK_MOUNT_ROOT/data/index.html",
    "cat $DSTACK_MOUNT_ROOT/data/index.html",
  ]
  volumes = [{ volume = volume.data, path = "/data" }]
}

# A service answers until it is stopped. The gateway sends it what is asked of hello.demo.localhost.
service "hello" {
  fleet    = fleet.lab
  gateway  = gateway.web
  port     = var.port
  auth     = false
  https    = false
  commands = ["cd $DSTACK_MOUNT_ROOT/data", local.answer]
  volumes  = [{ volume = volume.data, path = "/data" }]
}

locals {
  # Any program that answers HTTP will do. These take the first that is on the machine.
  answer = <<-SH
    if command -v python3 >/dev/null; then
      exec python3 -m http.server ${var.port} --bind 127.0.0.1
    elif command -v perl >/dev/null; then
      exec perl -MIO::Socket::INET -e '
        my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => ${var.port}, Listen => 9, ReuseAddr => 1) or die "$!\n";
        while (my $c = $s->accept) {
          while (defined(my $line = <$c>)) { last if $line =~ /^\s*$/ }
          open(my $page, "<", "index.html") or next;
          print $c "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n", <$page>;
          close $c;
        }'
    else
      exec busybox httpd -f -p 127.0.0.1:${var.port}
    fi
  SH
}

output "url" {
  description = "Where the service answers."
  value       = "http://hello.demo.localhost:${gateway.web.port}/"
}
