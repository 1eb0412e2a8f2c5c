"""The one Python that this stand-in has."""

PYTHON_VERSION = "3.13"
PYTHON = "/usr/bin/python" + PYTHON_VERSION
