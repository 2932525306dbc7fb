"""A project to try nbannot on: a chest phantom, a brain and an ultrasound, all made or packaged, none fetched."""

from nbannot.demo.phantom import ChestSeries, write_chest
from nbannot.demo.pictures import copy_ultrasound, write_brain

__all__ = ["ChestSeries", "copy_ultrasound", "write_brain", "write_chest"]
