volume "kept" {
  size = "1GB"
}

volume "many" {
  for_each = toset(["eu"])
  size     = "1GB"
}

task "train" {
  commands = ["true"]
}

moved {
  from = volume.kept
  to   = volume.many["eu"]
}
moved {
  from = volume.old
  to   = volume.many
}
moved {
  from = volume.older
  to   = volume.kept["eu"]
}
moved {
  from = volume.single[0]
  to   = volume.many
}
moved {
  from = volume.kept
  to   = volume.kept
}
moved {
  from = task.train
  to   = service.train
}
moved {
  from = fleet.lab
  to   = volume.lab
}
moved {
  from = fleet.lab.instance["10.0.0.1"]
  to   = fleet.lab.instance[0]
}
moved {
  from = fleet.lab
  to   = fleet.other.instance[0]
}
moved {
  from = module.net
  to   = volume.net
}
moved {
  from = task.a.job[0]
  to   = task.a.job[1]
}
moved {
  from = variable.a
  to   = variable.b
}
moved {
  from = fleets.a
  to   = fleet.b
}
moved {
  from = "volume ${1}"
  to   = volume.data[*]
}
moved {
  from = fleet.a.support["placement-group"]
  to   = volume.x.instance[0]
}
moved {
  from = volume.alone
}
moved "x" {
  from = volume.a
  to   = volume.b
}
