"""The base of every error that ncore raises on purpose.

A caller who wants to catch all of them catches :class:`NcoreError`; one who
wants the built-in meaning (``ValueError``, ``KeyError``, ``OSError``) catches
that, since every subclass derives from both.
"""


class NcoreError(Exception):
    """Base class of all errors raised by ncore.

    Its message names the file, the key and what to do, and is fit to be shown
    to a user as it stands.
    """

    def __str__(self) -> str:
        # KeyError.__str__ shows the repr of its argument; a message is text.
        return str(self.args[0]) if len(self.args) == 1 else super().__str__()
