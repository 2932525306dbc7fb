"""Many documents into one data set for training, archives or people."""
