"""Where releases are brought from: folders, clones, archives, and the servers of their repositories."""
