"""Exit codes of every command: done, failed, wrong usage, interrupted by the user."""

DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130
