"""Encode many images with a trained model: tables of their codes, and folders of images by category."""
