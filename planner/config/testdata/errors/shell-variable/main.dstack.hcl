task "train" {
  commands = ["torchrun --node-rank=${DSTACK_NODE_RANK} train.py"]
}
