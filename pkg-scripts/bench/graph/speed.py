"""A random graph, and what PyPI's fastrp takes for it.

python speed.py make FOLDER NODES EDGES   writes edges.tsv, from.u32, to.u32, and its rows: starts.u32, targets.u32 and
                                          csr.npz (each edge stored twice)
python speed.py peer FOLDER               one JSON object: seconds, without reading the file, and the peak of memory
python speed.py run WORDS...              runs a command; its last line, with "peak", the most bytes it had
"""

import json
import os
import resource
import subprocess
import sys
import time


def make(folder, nodes, edges):
    import numpy as np
    import scipy.sparse as sp

    nodes, edges = int(nodes), int(edges)
    ends = np.random.default_rng(7).integers(0, nodes, (edges, 2), dtype=np.uint32)
    ends = ends[ends[:, 0] != ends[:, 1]]
    # An edge that was drawn twice would have a weight of 2 in the one form and be there twice in the other.
    pairs = ends.min(1).astype(np.uint64) << 32 | ends.max(1)
    ends = ends[np.unique(pairs, return_index=True)[1]]
    np.random.default_rng(8).shuffle(ends)
    a, b = ends.T
    with open(os.path.join(folder, "edges.tsv"), "w") as file:
        for first in range(0, len(a), 1 << 20):
            part = slice(first, first + (1 << 20))
            file.write("".join(f"{x}\t{y}\n" for x, y in zip(a[part].tolist(), b[part].tolist())))
    a.astype("<u4").tofile(os.path.join(folder, "from.u32"))
    b.astype("<u4").tofile(os.path.join(folder, "to.u32"))
    ones = np.ones(2 * len(a))
    matrix = sp.coo_matrix((ones, (np.r_[a, b], np.r_[b, a])), shape=(nodes, nodes)).tocsr()
    matrix.indptr.astype("<u4").tofile(os.path.join(folder, "starts.u32"))
    matrix.indices.astype("<u4").tofile(os.path.join(folder, "targets.u32"))
    columns, starts = matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64)
    np.savez(os.path.join(folder, "csr.npz"), starts=starts, columns=columns, values=matrix.data)
    print(json.dumps({"stored_edges": matrix.nnz}))


def peer(folder):
    import fastrp
    import numpy as np

    with np.load(os.path.join(folder, "csr.npz")) as csr:
        starts, columns, values = csr["starts"], csr["columns"], csr["values"]
    began = time.perf_counter()
    fastrp.fit_csr(starts, columns, values, len(starts) - 1, 128, [0.0, 1.0, 1.0], 7, False)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak": peak}))


def run(*words):
    began = time.perf_counter()
    text = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
    result = json.loads(text.splitlines()[-1])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(json.dumps({**result, "peak": peak, "process_seconds": time.perf_counter() - began}))


{"make": make, "peer": peer, "run": run}[sys.argv[1]](*sys.argv[2:])
