"""From images to what algorithms take."""
