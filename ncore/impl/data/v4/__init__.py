"""Aliases of ``ncore.impl.data.v4`` of NVIDIA's ncore."""
