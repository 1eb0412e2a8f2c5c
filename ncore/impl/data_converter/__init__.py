"""Aliases of ``ncore.impl.data_converter`` of NVIDIA's ncore."""
