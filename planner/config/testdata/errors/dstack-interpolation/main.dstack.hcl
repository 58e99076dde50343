task "train" {
  commands = [
    "train --rank ${{ dstack.node_rank }} --token ${{ secrets.HF_TOKEN }}",
    "echo ok",
  ]
  env = { TOKEN = "${{ env.TOKEN }}" }
}
volume "data" {
  sise = "10GB"
}
