"""Which parameter file belongs to which layer file of the three releases."""

import re

FOLDERS = {
    "alexnet": ("layers", "layers-cifar", "example-layers"),
    "cuda-convnet": ("example-layers",),
    "cuda-convnet2": ("layers",),
}
# "uses def file #120", "same def file: 153", "config file #153-4gpu"; "like #153 (so uses same file)"
NAMED = (r"(?:def|config) file:? *#?([\w-]+)", r"like #([\w-]+) \((?:so|hence) uses same file\)")


def stem(path):
    """145-half of layers-145-half.cfg and layer-params-145-half.cfg; gc of layers.gc.cfg."""
    return re.fullmatch(r"(?:layers|layer-params)[-.](.+)\.cfg(?:\.save)?", path.name).group(1)


def ancestors(name):
    """The name, then what is left of it as words fall off its end."""
    words = name.split("-")
    return ["-".join(words[:n]) for n in range(len(words), 0, -1)]


def layers_of(params, known):
    """The layer file that a parameter file belongs to.

    It is that of the same name; else the one that the notes in the parameter file name; else that of the name
    with words taken off its end.
    """
    if stem(params) in known:
        return known[stem(params)]
    notes = "\n".join(re.findall(r"^#.*", params.read_text(), re.MULTILINE))
    for pattern in NAMED:
        for name in re.findall(pattern, notes):
            if name in known:
                return known[name]
    return next((known[name] for name in ancestors(stem(params)) if name in known), None)


def files(folder):
    """The layer files of a folder by stem, and its parameter files."""
    return {stem(p): p for p in sorted(folder.glob("layers*.cfg"))}, sorted(folder.glob("layer-params*.cfg"))


def pairs(releases, release):
    """(layer file, parameter file) of a release; a layer file without one of its own takes its ancestor's."""
    found = []
    for name in FOLDERS[release]:
        known, params = files(releases / release / name)
        matched = [(layers_of(p, known), p) for p in params]
        found += [pair for pair in matched if pair[0] is not None]
        own = {stem(p): p for p in params}
        for layers in set(known.values()) - {pair[0] for pair in found}:
            found.append((layers, next(own[a] for a in ancestors(stem(layers)) if a in own)))
    return found
