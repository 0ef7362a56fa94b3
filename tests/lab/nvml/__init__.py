"""GPUs without a GPU: a fake NVML library and nvidia-smi, and the state file both answer from."""
