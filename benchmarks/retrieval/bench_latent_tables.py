"""Exact search among latent vectors: matrix product and bit counts, time against number and length; FAISS beside.

    python benchmarks/retrieval/bench_latent_tables.py [--numbers 10000 100000] [--lengths 8 1024] [--queries 20]

Vectors are made up (normal clusters, as encodings of similar tumors are), so only times mean something; up to 20,000
tumors the answer of the product is checked against a plain pass in float64. FAISS (extra ``search``) answers an easier
question: the nearest by √(d₁² + d₂²), its exact flat index over both modalities in one vector; for the nearest by
d₁ + d₂, which the papers ask for, a second search of a radius would have to follow.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import time

import numpy as np

from gliofield_papers.indexes.embedding.latent_tables import BitTable, LatentTable, distances_of, pack_bits


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--numbers", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--lengths", type=int, nargs="+", default=[8, 1024])
    parser.add_argument("--queries", type=int, default=20)
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}; k = 15, medians of {arguments.queries}")
    print(f"{'tumors':>8} {'length':>6} {'table':>14} {'opens':>9} {'query':>10} {'to product':>10}")
    for number in arguments.numbers:
        for length in arguments.lengths:
            compare(number, length, arguments.queries)


class FaissFlat:
    """FAISS' exact index over both modalities in one vector."""

    def __init__(self, segments: list[dict[str, np.ndarray]]) -> None:
        import faiss

        vectors = np.concatenate([np.concatenate([one["flair"], one["t1gd"]], axis=1) for one in segments])
        self.index = faiss.IndexFlatL2(vectors.shape[1])
        self.index.add(vectors)

    def nearest(self, query: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Numbers and squared distances."""
        distances, tumors = self.index.search(query.reshape(1, -1), k)
        return tumors[0], distances[0]


def compare(number: int, length: int, num_queries: int) -> None:
    """Time all tables on the same vectors, one query after the other, tables interleaved."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(200, 2, length)).astype(np.float32)
    latents = centers[rng.integers(0, 200, number)]
    latents += 0.3 * rng.normal(size=latents.shape).astype(np.float32)
    queries = latents[rng.integers(0, number, num_queries)] + 0.1 * rng.normal(size=(num_queries, 2, length))
    segments = [{"flair": latents[:, 0].copy(), "t1gd": latents[:, 1].copy()}]
    bits = [{name: pack_bits(values) for name, values in segments[0].items()}]
    kinds = {"product": (LatentTable, segments), "bits": (BitTable, bits)}
    if importlib.util.find_spec("faiss") is not None:
        kinds["faiss"] = (FaissFlat, segments)
    tables, opening = {}, {}
    for name, (kind, content) in kinds.items():
        begin = time.perf_counter()
        tables[name] = kind(content)
        opening[name] = time.perf_counter() - begin
    seconds: dict[str, list[float]] = {name: [] for name in tables}
    for query in queries.astype(np.float32):
        found = {}
        for name, table in tables.items():
            begin = time.perf_counter()
            found[name] = table.nearest(query, 15)
            seconds[name].append(time.perf_counter() - begin)
        distances = distances_of([segments[0]["flair"], segments[0]["t1gd"]], query) if number <= 20_000 else None
        if distances is not None:
            assert np.array_equal(found["product"][0], np.argsort(distances, kind="stable")[:15])
    product = float(np.median(seconds["product"]))
    for name, values in seconds.items():
        median = float(np.median(values))
        print(
            f"{number:8d} {length:6d} {name:>14} {opening[name]:8.3f}s {1e3 * median:8.2f}ms {median / product:9.2f}x",
            flush=True,
        )


if __name__ == "__main__":
    main()
