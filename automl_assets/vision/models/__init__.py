"""What algorithms of images learn that is more than numbers."""
