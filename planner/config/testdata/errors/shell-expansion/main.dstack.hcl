task "train" {
  commands = ["cd ${HOME:-/root} && echo ${PATH##*:}"]
}
