"""Aliases of ``ncore.impl.common`` of NVIDIA's ncore."""
