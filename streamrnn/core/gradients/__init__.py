"""Gradient methods by name: one file each."""

GRADIENTS = {"tbptt": "streamrnn.core.gradients.tbptt"}
