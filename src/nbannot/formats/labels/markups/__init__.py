"""3D Slicer's markups (.mrk.json) in and out."""
