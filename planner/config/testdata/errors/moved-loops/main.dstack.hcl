moved {
  from = volume.a
  to   = volume.b
}
moved {
  from = volume.b
  to   = volume.c
}
moved {
  from = volume.c
  to   = volume.a
}

moved {
  from = fleet.a
  to   = fleet.one
}
moved {
  from = fleet.a
  to   = fleet.two
}
moved {
  from = fleet.b
  to   = fleet.one
}
moved {
  from = fleet.c
  to   = fleet.three
}
moved {
  from = fleet.c
  to   = fleet.three
}
