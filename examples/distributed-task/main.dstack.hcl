# One task on two nodes that know each other's addresses, as torchrun and MPI need it.

backend "local" {}

fleet "pair" {
  nodes     = 2
  placement = "cluster"
}

task "meet" {
  fleet = fleet.pair
  nodes = 2
  env = {
    GREETING = "I am node ${node.rank} of ${node.count}"
  }
  commands = [
    "echo \"$GREETING\"",
    "echo \"rank $DSTACK_NODE_RANK of $DSTACK_NODES_NUM, master $DSTACK_MASTER_NODE_IP\"",
    "for ip in $DSTACK_NODES_IPS; do echo \"peer $ip\"; done",
  ]
}
