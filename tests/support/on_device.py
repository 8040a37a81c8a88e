"""A CPU tensor that claims to live on a GPU, for the arithmetic of launches that are only recorded."""

import torch


class OnDevice(torch.Tensor):
    """Use ``tensor.as_subclass(OnDevice)``; the device is ``cuda:3``."""

    is_cuda = True
    device = torch.device("cuda", 3)
