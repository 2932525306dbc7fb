"""A project to try nbannot on: a chest phantom, a brain and an ultrasound, all made or packaged, none fetched."""
