"""The rules in one file, as Bazel's own tools load them."""

load("@bazel_tools//tools/python:toolchain.bzl", _py_runtime_pair = "py_runtime_pair")
load("//python:py_binary.bzl", _py_binary = "py_binary")
load("//python:py_library.bzl", _py_library = "py_library")
load("//python:py_test.bzl", _py_test = "py_test")

py_binary = _py_binary
py_library = _py_library
py_runtime_pair = _py_runtime_pair
py_test = _py_test
