"""Reads the record of the original: releases, crosswalk, notebook, claims."""
