"""Networks that are PyTorch modules: `network` learns them; its fellows import torch."""
