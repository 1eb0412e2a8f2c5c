"""The command lines: arguments, progress and exit codes over the layers below."""
