"""The pages around images, and the images themselves: one module for each page."""
