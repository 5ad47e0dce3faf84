"""Pictures of what a network is given: what to draw, and sheets to draw it on."""
