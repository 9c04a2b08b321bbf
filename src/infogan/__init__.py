"""infogan: finds what varies in a set of images, without labels."""
