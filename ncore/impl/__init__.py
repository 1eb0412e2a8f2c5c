"""Aliases of the module paths that NVIDIA's ncore 19.8 has inside; nothing lives here."""
