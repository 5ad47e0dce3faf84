"""The reading room: a static site that puts the original beside the port."""
