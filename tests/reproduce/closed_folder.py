"""Folders that the user may not look into or write: nor may root, who otherwise may do all."""

import ctypes
from contextlib import contextmanager

VERSION = 0x20080522  # of Linux's capabilities: sets of effective, permitted, inheritable ones, twice 32 bits


@contextmanager
def guarded(folder, mode):
    """The folder has this mode, and this thread no privilege to pass over it."""
    libc = ctypes.CDLL(None)
    header, sets = (ctypes.c_uint32 * 2)(VERSION, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, sets) == 0
    effective, before = (sets[0], sets[3]), folder.stat().st_mode
    folder.chmod(mode)
    try:
        sets[0] = sets[3] = 0
        assert libc.capset(header, sets) == 0
        yield
    finally:
        sets[0], sets[3] = effective
        assert libc.capset(header, sets) == 0
        folder.chmod(before)


def closed(folder):
    """Nobody may look into the folder."""
    return guarded(folder, 0)
