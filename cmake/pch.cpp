// Carries the one precompiled header (torch/torch.h) that every target with LibTorch shares.
