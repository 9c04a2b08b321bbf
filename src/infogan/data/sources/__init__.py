"""The sources of images, one file each; every module here is imported when the sources are listed."""
