"""Where viewer and store meet."""
