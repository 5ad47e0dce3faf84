"""What `reproduce` does before and around the training: notes, data and network in miniature, needs."""
