"""DICOM measurement reports (TID 1500, PS3.16) in and out."""
