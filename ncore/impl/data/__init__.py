"""Aliases of ``ncore.impl.data`` of NVIDIA's ncore."""
