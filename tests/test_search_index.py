"""What a search finds, against the plain way of finding it."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from indexes import add_to, store_of, unit

from clap_sb.evaluation.rescoring import rescore
from clap_sb.search import SearchIndex
from clap_sb.search.against_bank import against_bank
from clap_sb.search.approximate import number_of_cells, update_approximate
from clap_sb.search.compaction import alive_rows, compact
from clap_sb.search.errors import SearchError
from clap_sb.search.nearest import Nearest
from clap_sb.search.query import combine

DIM = 16


def naive(sounds: list[np.ndarray], query: np.ndarray, k: int) -> list[tuple]:
    """Each sound by its best window: name, window, score."""
    found = []
    for place, rows in enumerate(sounds):
        scores = rows @ query / np.linalg.norm(query)
        found.append((scores.max(), f"{place:06}.wav", int(scores.argmax())))
    return sorted(found, reverse=True)[:k]


def around(centres: np.ndarray, count: int, seed: int, noise: float = 0.5):
    """Vectors around centres, as the sounds of a kind are."""
    generator = np.random.default_rng(seed)
    chosen = centres[generator.integers(len(centres), size=count)]
    values = chosen + noise * unit(count, centres.shape[1], seed=seed)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def windows(rows: np.ndarray) -> list[np.ndarray]:
    return list(rows[:, None])


@pytest.fixture
def sounds():
    """30 sounds of one to five windows."""
    rows = unit(90, DIM)
    lengths = [1 + place % 5 for place in range(30)]
    return np.split(rows, np.cumsum(lengths)[:-1])


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "sounds.index"


@pytest.mark.parametrize("k", [1, 7, 30, 100])
def test_the_exact_search_finds_what_comparing_all_finds(sounds, folder, k):
    index = SearchIndex(store_of(folder, sounds).folder)
    for seed in range(3):
        query = 7 * unit(DIM, seed=10 + seed)
        hits = index.search(query, k)
        expected = naive(sounds, query, k)
        assert [(os.path.basename(hit.path), int(hit.start)) for hit in hits] == [
            (name, window) for _, name, window in expected
        ]
        scores = [score for score, *_ in expected]
        np.testing.assert_allclose([hit.score for hit in hits], scores, atol=1e-6)
        assert all(hit.end == hit.start + 1 for hit in hits)
    assert (index.num_sounds, index.num_windows, index.is_exact) == (30, 90, True)


def test_every_window_lists_windows(sounds, folder):
    index = SearchIndex(store_of(folder, sounds).folder)
    query = unit(DIM, seed=10)
    hits = index.search(query, 12, every_window=True)
    rows = np.argsort(-(np.concatenate(sounds) @ query))[:12]
    assert [hit.row for hit in hits] == rows.tolist()


def test_of_a_long_sound_among_many_one_window_is_listed(folder):
    """Its windows fill the first candidates, and the others are found all the same."""
    query = unit(DIM, seed=10)
    long = query + 0.01 * unit(500, DIM, seed=1)
    others = windows(unit(40, DIM, seed=2))
    index = SearchIndex(store_of(folder, [long, *others]).folder)
    hits = index.search(query, 10)
    expected = naive([long, *others], query, 10)
    assert [os.path.basename(hit.path) for hit in hits] == [n for _, n, _ in expected]


def test_all_vectors_are_compared_once_a_query(folder, monkeypatch):
    """However often more of the nearest are asked for."""
    long = unit(DIM, seed=10) + 0.01 * unit(500, DIM, seed=1)
    index = SearchIndex(store_of(folder, [long, *windows(unit(40, DIM))]).folder)
    compared, calls = Nearest._compared, []
    monkeypatch.setattr(
        Nearest, "_compared", lambda *given: calls.append(1) or compared(*given)
    )
    assert len(index.search(unit(DIM, seed=10), 10)) == 10
    assert len(calls) == 1


def test_equal_scores_come_in_the_order_of_the_index(folder):
    index = SearchIndex(store_of(folder, windows(np.ones((9, DIM)))).folder)
    assert [hit.row for hit in index.search(np.ones(DIM), 5)] == [0, 1, 2, 3, 4]


def test_near_duplicates_are_folded_on_request(folder):
    rows = unit(20, DIM)
    near = rows[[3, 3, 7]] + 0.02 * unit(3, DIM, seed=5)
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    index = SearchIndex(store_of(folder, windows(np.concatenate([rows, near]))).folder)
    hits = index.search(rows[3], 4, fold=0.95)
    found = {hits[0].path, *hits[0].similar}
    assert {int(os.path.basename(path)[:6]) for path in found} == {3, 20, 21}
    assert len(hits) == 4
    plain = index.search(rows[3], 4)
    assert {hit.row for hit in plain[:3]} == {3, 20, 21}
    assert plain[0].similar == ()


def test_what_was_folded_keeps_its_window(folder):
    """The second window of a sound, where that one is the near-duplicate."""
    rows = unit(6, DIM)
    near = rows[3] + 0.02 * unit(1, DIM, seed=5)[0]
    sounds = [*windows(rows), np.stack([rows[0], near / np.linalg.norm(near)])]
    index = SearchIndex(store_of(folder, sounds).folder)
    first = index.search(rows[3], 1, fold=0.95)[0]
    (folded,) = first.folded
    assert (folded.path, folded.window) == (f"{os.sep}000006.wav", 1)
    assert (folded.start, folded.end, folded.duration) == (1.0, 2.0, 2.0)
    assert folded.score == pytest.approx(sounds[6][1] @ rows[3], abs=1e-6)
    assert first.similar == (folded.path,)


@pytest.mark.parametrize("cells", [0, 64])
def test_among_some_sounds_the_nearest_of_these_are_found(folder, cells):
    centres = unit(20, DIM)
    rows = around(centres, 3000, seed=2)
    store = store_of(folder, windows(rows))
    if cells:
        update_approximate(store, exact_up_to=1000)
    index = SearchIndex(store.folder, probes=10_000)
    assert index.is_exact == (cells == 0)
    chosen = np.arange(0, 3000, 7)
    query = centres[4]
    expected = naive([rows[[place]] for place in chosen], query, 10)
    hits = index.search(query, 10, among=index.sounds[chosen])
    assert [hit.score for hit in hits] == pytest.approx([s for s, *_ in expected])
    assert {hit.sound for hit in hits} <= set(index.sounds[chosen].tolist())
    assert index.search(query, 10, among=index.sounds[:0]) == []


def test_a_sound_is_known_by_its_windows_and_its_bytes(folder):
    rows = unit(5, DIM)
    store = store_of(folder, [rows[:2], rows[2:]])
    index = SearchIndex(store.folder)
    second = store.sound_of("000001")
    assert second == index.sounds[1] and store.sound_of("none") is None
    assert index.windows_of(second) == [(2, 0.0, 1.0), (3, 1.0, 2.0), (4, 2.0, 3.0)]
    hit = index.hit(second, 2)
    assert (hit.row, hit.start, hit.end, hit.duration) == (4, 2.0, 3.0, 3.0)
    assert np.isnan(hit.score)
    assert index.hit(second, 3) is index.hit(second, -1) is index.hit(99, 0) is None


def test_sounds_without_a_file_are_not_found(sounds, folder):
    store = store_of(folder, sounds)
    store.remove_files([f"{os.sep}{place:06}.wav" for place in range(3)])
    index = SearchIndex(folder)
    paths = {hit.path for hit in index.search(unit(DIM, seed=1), 30)}
    assert len(paths) == 27 == index.num_sounds
    assert not compact(store)
    assert not compact(store, dead_share=0.01)  # they may come back
    assert compact(store, dead_share=0.01, kept_seconds=0)
    kept = SearchIndex(folder)
    assert kept.num_windows == store.num_rows == index.num_windows
    for seed in range(3):
        query = unit(DIM, seed=seed)
        before, after = index.search(query, 9), kept.search(query, 9)
        for hit in before:  # its row may be another one's now
            row, *times = kept.window(hit.sound, hit.window)
            assert times == [hit.start, hit.end]
            vectors = index.embeddings(np.array([hit.row]))
            assert np.array_equal(kept.embeddings(np.array([row])), vectors)
        assert [(hit.path, hit.start) for hit in before] == [
            (hit.path, hit.start) for hit in after
        ]


@pytest.mark.parametrize(("sound", "number"), [(1, 1), (1, -1), (99, 0)])
def test_a_window_that_is_not_there_is_an_error(sound, number, folder):
    index = SearchIndex(store_of(folder, [np.ones((1, DIM))]).folder)
    with pytest.raises(SearchError, match="no window"):
        index.window(sound, number)


@pytest.mark.parametrize(
    "query", [np.zeros(DIM), np.full(DIM, np.nan), np.ones(DIM + 1), np.ones((1, DIM))]
)
def test_what_is_no_query_is_an_error(query, sounds, folder):
    with pytest.raises(SearchError, match="a query is a vector"):
        SearchIndex(store_of(folder, sounds).folder).search(query)


def test_an_empty_index_finds_nothing(folder):
    store = store_of(folder, [np.ones((1, DIM))])
    store.remove_files([f"{os.sep}000000.wav"])
    assert SearchIndex(folder).search(np.ones(DIM)) == []
    assert compact(store, kept_seconds=0)
    assert SearchIndex(folder).search(np.ones(DIM)) == []


def test_alive_rows_naively():
    spans = np.array([[1, 0, 3, 0], [2, 4, 1, 0], [3, 8, 2, 0]])
    alive = {row for _, first, count, _ in spans for row in range(first, first + count)}
    assert np.flatnonzero(alive_rows(spans, 12)).tolist() == sorted(alive)


# --- approximate ---


def recall(approximate: SearchIndex, exact: SearchIndex, queries: np.ndarray) -> float:
    shares = []
    for query in queries:
        found = {hit.row for hit in approximate.search(query, 10)}
        shares.append(len(found & {hit.row for hit in exact.search(query, 10)}) / 10)
    return float(np.mean(shares))


@pytest.fixture
def large(tmp_path):
    """The same 4,000 vectors twice; one index will have an approximate part."""
    faiss = pytest.importorskip("faiss")
    faiss.omp_set_num_threads(1)
    centres = unit(200, DIM, seed=3)
    rows = around(centres, 4000, seed=4)
    stores = [store_of(tmp_path / name, windows(rows)) for name in ("exact", "fast")]
    return centres, *stores


def test_an_index_is_exact_up_to_a_size(large):
    _, _, store = large
    update_approximate(store, 4000)
    assert SearchIndex(store.folder).is_exact
    update_approximate(store, 3999)
    assert not SearchIndex(store.folder).is_exact


def test_the_approximate_search_finds_nearly_all_with_exact_scores(large):
    centres, exact, store = large
    update_approximate(store, 1000)
    queries = around(centres, 50, seed=5)
    few = SearchIndex(store.folder, probes=12)
    assert recall(few, SearchIndex(exact.folder), queries) >= 0.95
    rows = few.embeddings(np.arange(4000))
    for hit in few.search(queries[0], 10):
        assert hit.score == pytest.approx(float(rows[hit.row] @ queries[0]), abs=1e-6)
    # and it does look into some cells only
    assert recall(SearchIndex(store.folder, probes=1), SearchIndex(exact.folder),
                  unit(50, DIM, seed=6)) < 0.9  # fmt: skip


def test_what_is_added_is_found_before_and_after_the_next_update(large):
    centres, _, store = large
    update_approximate(store, 1000)
    first = store.fact("approximate")
    new = around(centres, 300, seed=8)
    add_to(store, windows(new))
    for _ in range(2):
        index = SearchIndex(store.folder)
        for place in (0, 150, 299):
            assert index.search(new[place], 1)[0].row == 4000 + place
        update_approximate(store, 1000)
    assert store.fact("approximate") != first
    assert len(list(store.folder.glob("approximate-*"))) == 1
    # the centres are those of the first 4,000
    assert "-4000-4300" in store.fact("approximate")


def test_the_centres_are_fitted_again_after_much_growth(large):
    centres, _, store = large
    update_approximate(store, 1000)
    for seed in range(4):
        add_to(store, windows(around(centres, 4000, seed=20 + seed)))
    update_approximate(store, 1000)
    assert "-20000-20000" in store.fact("approximate")


def test_what_is_gone_is_not_found(large):
    centres, _, store = large
    update_approximate(store, 1000)
    query = around(centres, 1, seed=5)[0]
    gone = [hit.path for hit in SearchIndex(store.folder).search(query, 100)]
    store.remove_files(gone)
    hits = SearchIndex(store.folder).search(query, 100)
    assert len(hits) == 100 and not {hit.path for hit in hits} & set(gone)
    assert compact(store, dead_share=0.01, kept_seconds=0)
    assert SearchIndex(store.folder).is_exact  # until the next line
    update_approximate(store, 1000)
    again = SearchIndex(store.folder).search(query, 100)
    assert not {hit.path for hit in again} & set(gone)


@pytest.mark.parametrize("rows", [10, 1000, 300_000, 10**6])
def test_cells_are_about_twice_the_root(rows):
    assert 1.4 <= number_of_cells(rows) / np.sqrt(rows) <= 2.9


# --- sums of queries ---


def test_a_sum_of_queries_scores_as_the_sum_of_its_scores(sounds, folder):
    index = SearchIndex(store_of(folder, sounds).folder)
    parts, weights = unit(3, DIM, seed=2), [1.0, 0.5, -2.0]
    hits = index.search(combine(parts, weights), 30)
    rows = index.embeddings(np.array([hit.row for hit in hits]))
    sums = (rows @ parts.T) @ np.array(weights)
    assert np.all(np.diff(sums) <= 1e-6)
    np.testing.assert_allclose(combine(parts[:1]), parts[0], atol=1e-6)


@pytest.mark.parametrize(
    ("embeddings", "weights", "message"),
    [
        (np.empty((0, 2)), None, "no query"),
        (np.eye(2), [1.0], "2 queries and 1 weights"),
        (np.eye(2)[[0, 0]], [1.0, -1.0], "cancel"),
    ],
)
def test_what_is_no_sum_is_an_error(embeddings, weights, message):
    with pytest.raises(SearchError, match=message):
        combine(embeddings, weights)


# --- against hubs ---


@pytest.mark.parametrize("method", ["nnn", "qb_norm", "inverted_softmax"])
def test_a_bank_corrects_as_the_evaluation_does(method, sounds, folder):
    """For all windows, as long as they are not more than are scored again."""
    index = SearchIndex(store_of(folder, sounds).folder)
    query, bank = unit(DIM, seed=5), unit(200, DIM, seed=6)
    vectors = index.embeddings(np.arange(index.num_windows))
    expected = rescore(
        torch.from_numpy(query @ vectors.T)[None],
        torch.from_numpy(bank @ vectors.T),
        method,
    )[0].numpy()
    hits = index.search(
        query, 90, every_window=True, rescore=against_bank(bank, method)
    )
    assert [hit.row for hit in hits] == np.argsort(-expected, kind="stable").tolist()
    np.testing.assert_allclose(
        [hit.score for hit in hits], np.sort(expected)[::-1], atol=1e-6
    )


def test_a_hub_is_put_in_its_place(folder):
    """A window that is near to every query, and one that fits this query."""
    hub = np.ones((1, DIM)) / np.sqrt(DIM)
    fits = unit(DIM, seed=4)
    query = fits + 1.2 * hub[0]
    bank = unit(200, DIM, seed=6) + 2 * hub
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    index = SearchIndex(store_of(folder, [hub, fits[None]]).folder)
    assert index.search(query, 1)[0].row == 0
    assert index.search(query, 1, rescore=against_bank(bank))[0].row == 1
