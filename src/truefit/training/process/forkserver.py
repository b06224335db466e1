"""What the fork server imports, once for all its children; nobody else imports this module.

Only imports: a backend that has computed anything cannot be forked.
"""

import gc

import truefit.training.process.child  # noqa: F401
from truefit.core.backend import import_keras

import_keras()
gc.collect()
gc.freeze()  # else a child's first collection walks, and so copies, all that was imported
