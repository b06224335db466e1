import sys

from truefit.core.moved import Finder

__version__ = "0.1.0"
sys.meta_path.insert(0, Finder())
