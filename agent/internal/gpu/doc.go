// Package gpu answers one question: which GPUs does this machine have, and how busy are they?
//
// The vendors' own tools are asked: nvidia-smi, amd-smi and hl-smi, wherever they are on PATH. A machine without any of them has
// no GPUs. Names and sizes are those of the drivers; whoever compares them with requirements corrects them.
package gpu
