"""Which kernel runs for which geometry: template arguments, grid and block, by the rules of 2012.

Pure functions, one module for each family of operations; nothing here needs a device.
"""
