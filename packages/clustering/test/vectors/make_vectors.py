"""Makes the vectors beside it: python make_vectors.py (scikit-learn, scipy and numpy as named in the files).

Points are rounded to float32 before anything is computed, so that TypeScript reads exactly the same numbers.
"""

import json
import pathlib

import numpy as np
import scipy
import sklearn
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import pdist
from sklearn import metrics
from sklearn.cluster import DBSCAN, AgglomerativeClustering
from sklearn.metrics import pairwise_distances
from sklearn.metrics.cluster import contingency_matrix
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import normalize

HERE = pathlib.Path(__file__).parent
GENERATOR = f"scikit-learn {sklearn.__version__}, scipy {scipy.__version__}, numpy {np.__version__}"


def write(name, description, cases):
    body = {"description": description, "generator": GENERATOR, "cases": cases}
    (HERE / name).write_text(json.dumps(body, indent=1) + "\n")


def float32(points):
    return np.asarray(points, dtype=np.float32).astype(np.float64)


def blobs(seed, n, k, d, spread=0.4):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    centres = rng.normal(size=(k, d))
    return float32(centres[labels] + spread * rng.normal(size=(n, d))), labels


def agreement():
    """Adds the other measures to the labellings that are already in the file."""
    cases = json.loads((HERE / "metrics.json").read_text())["cases"]
    for case in cases:
        a, b = case["a"], case["b"]
        homogeneity, completeness, v = metrics.homogeneity_completeness_v_measure(a, b)
        case.update(
            ari=metrics.adjusted_rand_score(a, b),
            ami=metrics.adjusted_mutual_info_score(a, b),
            fmi=metrics.fowlkes_mallows_score(a, b),
            homogeneity=homogeneity,
            completeness=completeness,
            vMeasure=v,
            purity=float(contingency_matrix(a, b).max(axis=0).sum() / len(a)),
        )
    write("metrics.json", "Agreement of two labellings; a is the truth where a measure is not symmetric", cases)


def centroid_distances(points, labels, metric):
    rows = normalize(points) if metric == "cosine" else points
    distinct = np.unique(labels)
    centroids = np.stack([rows[labels == label].mean(axis=0) for label in distinct])
    return pairwise_distances(points, centroids, metric=metric), np.searchsorted(distinct, labels)


def simplified_silhouettes(points, labels, metric):
    distances, own = centroid_distances(points, labels, metric)
    sizes = np.bincount(own)
    a = distances[np.arange(len(own)), own]
    distances[np.arange(len(own)), own] = np.inf
    b = distances.min(axis=1)
    with np.errstate(invalid="ignore"):
        values = np.nan_to_num((b - a) / np.maximum(a, b))
    values[sizes[own] == 1] = 0
    return values


def internal():
    rng = np.random.default_rng(7)
    random_points, _ = blobs(5, 40, 1, 3, 1.0)
    repeated = float32(np.repeat(rng.normal(size=(4, 3)), [3, 2, 4, 1], axis=0))
    named = {
        "separate": blobs(1, 60, 4, 5),
        "overlapping": blobs(2, 50, 3, 2, 2.0),
        "random labels": (random_points, rng.integers(0, 5, 40)),
        "singletons": (blobs(3, 9, 2, 3)[0], np.array([0, 0, 1, 2, 2, 3, 4, 4, -1])),
        "repeated points, each its own cluster": (repeated, np.repeat([4, 1, 2, 7], [3, 2, 4, 1])),
        "repeated points across clusters": (repeated, np.array([0, 1, 0, 1, 0, 1, 0, 1, 0, 1])),
        "a point at the origin": (float32([[0, 0], [1, 0], [1, 0.2], [-1, 0.1], [-1, 0]]), np.array([0, 0, 0, 1, 1])),
    }
    cases = []
    for name, (points, labels) in named.items():
        case = {"name": name, "points": points.tolist(), "labels": labels.tolist()}
        case["daviesBouldin"] = float(metrics.davies_bouldin_score(points, labels))
        case["calinskiHarabasz"] = float(metrics.calinski_harabasz_score(points, labels))
        for metric in ("cosine", "euclidean"):
            distances, own = centroid_distances(points, labels, metric)
            to_own = distances[np.arange(len(own)), own]
            case[metric] = {
                "silhouettes": metrics.silhouette_samples(points, labels, metric=metric).tolist(),
                "simplified": simplified_silhouettes(points, labels, metric).tolist(),
                "distances": [float(to_own[own == c].mean()) for c in range(own.max() + 1)],
                "variances": [float((to_own[own == c] ** 2).mean()) for c in range(own.max() + 1)],
                "distance": float(to_own.mean()),
                "variance": float((to_own**2).mean()),
            }
        cases.append(case)
    write("validity.json", "Internal metrics of labelled points", cases)


def agglomerative():
    cases = []
    for seed, (n, k, d) in enumerate([(2, 1, 3), (12, 3, 4), (40, 5, 8), (60, 4, 2)]):
        points, _ = blobs(20 + seed, n, k, d)
        weights = np.random.default_rng(seed).integers(1, 6, n)
        for name in ("ward", "average", "complete"):
            def tree(rows):
                rows = normalize(rows)
                return linkage(rows, "ward") if name == "ward" else linkage(pdist(rows, "cosine"), name)

            whole = tree(points)
            # Copies merge at height zero first; the last n - 1 merges are those of the weighted points.
            weighted = tree(np.repeat(points, weights, axis=0))[-(n - 1) :]
            cut = max(2, n // 4)
            model = AgglomerativeClustering(
                cut, linkage=name, metric="euclidean" if name == "ward" else "cosine"
            ).fit(normalize(points))
            cases.append(
                {
                    "name": f"{name}, {n} points",
                    "linkage": name,
                    "points": points.tolist(),
                    "weights": weights.tolist(),
                    "merges": whole.tolist(),
                    "weightedHeights": weighted[:, 2].tolist(),
                    "weightedSizes": weighted[:, 3].tolist(),
                    "count": cut,
                    "labelsByCount": model.labels_.tolist(),
                    "height": float(np.median(whole[:, 2])),
                    "labelsByHeight": fcluster(whole, np.median(whole[:, 2]), "distance").tolist(),
                }
            )
    write("dendrogram.json", "Agglomerative trees (left, right, height, leaves), and the same with whole weights", cases)


def knee_radius(distances, weights, least):
    """Distance at which the weight within it reaches the least, and the knee of the sorted curve."""
    core = np.full(len(weights), np.inf)
    for i, row in enumerate(distances):
        for radius in np.sort(row):
            if weights[row <= radius].sum() >= least:
                core[i] = radius
                break
    curve = np.sort(core[np.isfinite(core)])[::-1]
    x = np.linspace(0, 1, len(curve))
    y = (curve - curve[-1]) / (curve[0] - curve[-1])
    return core, float(curve[np.argmax(1 - x - y)])


def density():
    cases = []
    for seed, (n, k, d, spread) in enumerate([(80, 4, 3, 0.15), (80, 3, 2, 0.5), (60, 5, 8, 0.3), (30, 1, 2, 2.0)]):
        points, _ = blobs(40 + seed, n, k, d, spread)
        rng = np.random.default_rng(seed)
        # Noisy counts of small clusters may fall below zero.
        weights = np.round(rng.gamma(1.0, 20.0, n) + 4 * rng.normal(size=n), 3)
        for metric in ("cosine", "euclidean"):
            distances = pairwise_distances(points, metric=metric)
            np.fill_diagonal(distances, 0)
            for sample_weight, least in ((np.ones(n), 4), (weights, 60)):
                core, radius = knee_radius(distances, sample_weight, least)
                # Between two distances, so that rounding cannot move a point over the border.
                eps = float(np.nextafter(radius, 2) + 1e-9)
                model = DBSCAN(eps=eps, min_samples=least, metric=metric).fit(points, sample_weight=sample_weight)
                cases.append(
                    {
                        "name": f"{n} points, {metric}, least weight {least}",
                        "metric": metric,
                        "points": points.tolist(),
                        "weights": sample_weight.tolist(),
                        "minWeight": least,
                        "coreDistances": [value if np.isfinite(value) else None for value in core.tolist()],
                        "knee": radius,
                        "radius": eps,
                        "labels": model.labels_.tolist(),
                        "core": model.core_sample_indices_.tolist(),
                    }
                )
    write("density.json", "DBSCAN with sample weights, and the radius at the knee of the core distances", cases)


def assignment():
    cases = []
    for seed, (n, m) in enumerate([(1, 1), (3, 3), (8, 8), (5, 9), (9, 5), (30, 30), (1, 6), (6, 1)]):
        rng = np.random.default_rng(60 + seed)
        cost = rng.normal(size=(n, m))
        if seed == 3:
            cost = np.round(cost)
        rows, columns = linear_sum_assignment(cost)
        cases.append(
            {
                "name": f"{n} x {m}" + (", with ties" if seed == 3 else ""),
                "rows": n,
                "columns": m,
                "cost": cost.ravel().tolist(),
                "total": float(cost[rows, columns].sum()),
                "unique": seed != 3,
                "assignment": [int(columns[rows == i][0]) if i in rows else -1 for i in range(n)],
            }
        )
    write("assignment.json", "Least-cost assignments", cases)


def mixture():
    cases = []
    for seed, (n, k, d) in enumerate([(60, 3, 2), (80, 4, 5)]):
        for kind in ("diag", "spherical"):
            points, _ = blobs(80 + seed, n, k, d)
            # Within the unit ball, where a person's vectors are.
            points = float32(points / (np.linalg.norm(points, axis=1).max() + 0.01))
            means = points[:k]
            variance = 0.05
            precisions = np.full((k, d) if kind == "diag" else k, 1 / variance)
            for iterations in (1, 2, 20):
                model = GaussianMixture(
                    k,
                    covariance_type=kind,
                    tol=0,
                    max_iter=iterations,
                    weights_init=np.full(k, 1 / k),
                    means_init=means,
                    precisions_init=precisions,
                ).fit(points)
                cases.append(
                    {
                        "name": f"{kind}, {k} components in {d} dimensions, {iterations} iterations",
                        "covariance": "diagonal" if kind == "diag" else kind,
                        "points": points.tolist(),
                        "start": means.tolist(),
                        "variance": variance,
                        "iterations": iterations,
                        "weights": model.weights_.tolist(),
                        "means": model.means_.ravel().tolist(),
                        "variances": np.ravel(model.covariances_).tolist(),
                        "logDensities": model.score_samples(points).tolist(),
                        "responsibilities": model.predict_proba(points)[0].tolist(),
                    }
                )
    write("mixture.json", "Gaussian mixtures after some EM iterations from the same start, reg_covar 1e-6", cases)


if __name__ == "__main__":
    agreement()
    internal()
    agglomerative()
    density()
    assignment()
    mixture()
