"""Video files: the libraries that read them, probing, reading, writing."""
