# What jobs keep: a volume that two of them share, and a folder of the machine. Where the machine gives jobs no mounts of their
# own, they are below $DSTACK_MOUNT_ROOT, which is empty elsewhere.

variable "cache" {
  type        = string
  default     = "/tmp/dstack-cache"
  description = "A folder of the instance; it is made when it is missing, and stays."
}

backend "local" {}

fleet "lab" {
  nodes  = 1
  blocks = 2
}

# Destroying a volume destroys what is on it, which a plan says before all else.
volume "data" {
  backend = "local"
  size    = "1GB"
}

# The first job writes, in steps of its own pace.
task "write" {
  fleet = fleet.lab
  commands = [
    "echo model > $DSTACK_MOUNT_ROOT/data/part",
    "mv $DSTACK_MOUNT_ROOT/data/part $DSTACK_MOUNT_ROOT/data/model",
    "echo downloaded > $DSTACK_MOUNT_ROOT/cache/note",
  ]
  volumes = [
    { volume = volume.data, path = "/data" },
    { instance_path = var.cache, path = "/cache", optional = true },
  ]
}

# The second one is on the same volume at the same time, and waits for what the first writes. That the first ends takes
# nothing away from it.
task "read" {
  fleet = fleet.lab
  commands = [
    "until [ -e $DSTACK_MOUNT_ROOT/data/model ]; do sleep 0.1; done",
    "cat $DSTACK_MOUNT_ROOT/data/model",
    "until [ -e $DSTACK_MOUNT_ROOT/cache/done ]; do sleep 0.1; done",
    "ls $DSTACK_MOUNT_ROOT/data",
  ]
  volumes = [
    { volume = volume.data, path = "/data" },
    "${var.cache}:/cache",
  ]
}
