"""The one exception that a person is meant to read."""


class UserError(Exception):
    """Input that cannot be used: the message says where, what was expected, received, the way out.

    The stages and the command line print it without a traceback and exit with 1.
    """
