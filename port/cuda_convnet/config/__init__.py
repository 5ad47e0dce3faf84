"""The .cfg language: two files, of layers and of parameters, become a typed, immutable NetworkSpec.

    >>> spec = read_network("145/layers.cfg", "145/params.cfg")
    >>> spec["conv2a"].weight_shapes, spec.shapes["conv2a"]
    (((48, 5, 5, 128),), (128, 27, 27))

Three releases speak it, each a little differently. They are told apart option by option, by what is written;
there is no switch. The 2012 release (`alexnet:layer.py`) is the rule, and the others differ in this:

cuda-convnet, 2011 to July 2012 (`cuda-convnet:layer.py`)
    - There are no devices. Where no layer of a file has a `gpu`, all are on device 0.
    - Oldest files: a norm's window is `sizeX`, and its `scale` and `pow` stand in the layer file.
    - `rscale` has no `tgtSize`. Neuron parameters may have exponents, `linear[1e-3,0]`.
the runs of winter 2012/13, in the 2012 release, which its `layer.py` no longer reads
    - Schedules without names: `dexp[250,0,4]`, `dexp[250,4]`, `linear[1,1]`. An option `sched` from before
      them is not read, as in the release.
cuda-convnet2, 2014 (`cuda-convnet2:layer.py`)
    - `epsW` and `epsB` may be schedules, `dexp[base=0.01;tgtFactor=250;numSteps=4]`; `const` is 2012's
      `default`.
    - `gpu=0,1` lists the devices of a layer's replicas, which must divide the replicas of its inputs.
    - A list with one entry stands for all inputs, everywhere but in `weightSource`.
    - `sumWidth` for `partialSum`; `modulesX` sets the modules of a convolution, which must cover the image.
    - `dropout` and `dropout2` for `hs`, with `keep` in the parameter file; `coeffs` of eltsum there too.
    - More types: pass, sfc, sum, cmpool, crop, cost.bce, cost.dce; a neuron `log[a]`; `start` and `end` of
      data, `sum` of average pooling, `updatePeriod` of weights, `children` of costs.
    - It does not multiply `wball` by the weights per filter. Its files all have 0 there; the 2012 meaning is
      kept.
    - Some of 2012 is gone there (treefc, random sparse connections, more costs, quantisers) and is read all
      the same.

Answers to `alexnet:layer.py`.
"""

from cuda_convnet.config.reader import parse_network, read_network
from cuda_convnet.config.specs import ClassTree, NetworkSpec

__all__ = ["ClassTree", "NetworkSpec", "parse_network", "read_network"]
