"""VolView's sessions (.volview.zip, .volview.json) and annotations (.annotations.json) in and out."""
