"""What models see of images."""
