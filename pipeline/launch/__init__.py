"""Who runs training processes: torchrun, accelerate or Ray Train."""
