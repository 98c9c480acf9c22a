"""torchhd and bhv on one thread: bind PAIRS pairs, bundle them, compare the sum with CANDIDATES vectors.

usage: peers.py DIMENSION PAIRS CANDIDATES SECONDS
Prints one JSON object: structures a second for each library and model, the fastest of ten parts of the time.
Written for torch-hd 5.8.4 and bhv 1.4.1.
"""

import json
import sys
import time

import torch
import torchhd

DIMENSION, PAIRS, CANDIDATES = (int(word) for word in sys.argv[1:4])
SECONDS = float(sys.argv[4])
torch.set_num_threads(1)
torch.manual_seed(0)


def per_second(work):
    best = 0.0
    for _ in range(10):
        started, times = time.perf_counter(), 0
        while time.perf_counter() - started < SECONDS / 10:
            work()
            times += 1
        best = max(best, times / (time.perf_counter() - started))
    return best


def torch_model(model, dtype, batch):
    shape = (batch * PAIRS, DIMENSION)
    keys = torchhd.random(*shape, model, dtype=dtype).unflatten(0, (batch, PAIRS))
    values = torchhd.random(*shape, model, dtype=dtype).unflatten(0, (batch, PAIRS))
    candidates = torchhd.random(CANDIDATES, DIMENSION, model, dtype=dtype)

    def work():
        bundle = torchhd.multiset(torchhd.bind(keys, values))
        return torchhd.dot_similarity(bundle, candidates) if model == "MAP" else torchhd.hamming_similarity(bundle, candidates)

    with torch.no_grad():
        # The answer first: a bundle is more like what is in it than like something else.
        one = torchhd.multiset(torchhd.bind(keys, values))[0]
        member = torchhd.bind(keys, values)[0, 0]
        compare = torchhd.dot_similarity if model == "MAP" else torchhd.hamming_similarity
        assert float(compare(one, member)) > float(compare(one, candidates[0]))
        return per_second(work) * batch


result = {"versions": {"torch": torch.__version__, "torch-hd": torchhd.__version__}}
for name, model, dtype in [("torchhd MAP int8", "MAP", torch.int8), ("torchhd BSC", "BSC", torch.bool)]:
    result[name] = max(torch_model(model, dtype, 1), torch_model(model, dtype, 100))

try:
    # bhv has one dimension, 8,192; its speed is given as if it were linear in it.
    from bhv.np import NumPyPacked64BHV as Bhv

    keys, values = Bhv.nrand(PAIRS), Bhv.nrand(PAIRS)
    candidates = Bhv.nrand(CANDIDATES)

    def work():
        bundle = Bhv.majority([key ^ value for key, value in zip(keys, values)])
        return [bundle.hamming(candidate) for candidate in candidates]

    from bhv.shared import DIMENSION as BHV_DIMENSION

    result["bhv packed"] = per_second(work) * BHV_DIMENSION / DIMENSION
except ImportError as error:
    result["bhv"] = str(error)
print(json.dumps(result))
