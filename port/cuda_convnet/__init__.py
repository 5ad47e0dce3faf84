"""The library of the 2012 experiment: networks in the .cfg language, their arithmetic, their training."""
