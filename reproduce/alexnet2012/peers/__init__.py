"""Other programs beside ours, for measurements in the same run."""
