"""F1 of vectors by DeepWalk's protocol, as one JSON object: python score.py VECTORS.npy IDS LABELS SPLITS FIRST.

One-vs-rest logistic regression with C = 0.1, the constant being one of the penalised coefficients (as in liblinear); each node of the
test part is told how many labels it has. Splits are NumPy's permutations of seeds FIRST, FIRST + 1...
"""

import json
import sys

import numpy as np
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score


def learn(x, y, test):
    if y.all() or not y.any():
        return np.full(len(test), 1.0 if y.all() else -np.inf)
    model = LogisticRegression(C=0.1, solver="lbfgs", fit_intercept=False, max_iter=500).fit(x, y)
    return model.decision_function(test)


def main(vectors, ids, labels, splits, first):
    x = np.load(vectors)
    x = np.hstack([x, np.ones((len(x), 1), x.dtype)])
    rows = {line.strip(): row for row, line in enumerate(open(ids, encoding="utf-8"))}
    pairs = [line.split() for line in open(labels, encoding="utf-8")]
    names = {name: column for column, name in enumerate(sorted({label for _, label in pairs}))}
    y = np.zeros((len(x), len(names)), bool)
    for node, label in pairs:
        y[rows[node], names[label]] = True
    x, y = x[y.any(1)], y[y.any(1)]
    result = {}
    for part in (10, 50, 90):
        scores = []
        for seed in range(int(first), int(first) + int(splits)):
            order = np.random.RandomState(seed).permutation(len(x))
            train, test = np.split(order, [len(x) * part // 100])
            columns = Parallel(n_jobs=-1, prefer="threads")(
                delayed(learn)(x[train], y[train, column], x[test]) for column in range(len(names))
            )
            best = np.argsort(-np.stack(columns, 1), axis=1, kind="stable")
            said = np.zeros_like(y[test])
            for row, count in enumerate(y[test].sum(1)):
                said[row, best[row, :count]] = True
            scores.append([f1_score(y[test], said, average=a, zero_division=0) for a in ("micro", "macro")])
        micro, macro = 100 * np.mean(scores, 0)
        result |= {f"micro_{part}": round(micro, 2), f"macro_{part}": round(macro, 2)}
    print(json.dumps(result))


main(*sys.argv[1:])
