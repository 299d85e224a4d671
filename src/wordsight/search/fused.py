"""Fused scan: products of 8-bit rows and words, each picture's best and its scores in one pass; compiled by numba.

Only the products of 32 rows are kept at a time, and these stay in the nearest cache, so a query takes little longer
than reading the rows. Numba has no names for the processor's integer instructions, so they are called by their LLVM
names: AMX multiplies 16 rows with 16 words at once (TDPBUSD), AVX-512 VNNI adds up four products in each of 16 lanes
(VPDPBUSD). Both give the same integers. This file imports numba: import it only where `instructions.py` finds numba.
"""

# mypy: disable-error-code="call-arg, arg-type"
# Callers leave out the first argument of an intrinsic, which numba passes; its types do not know that.

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from wordsight.search.codes import CHUNK, GROUP, ROWS

LEAST = -(2**31)
AHEAD = 2**15  # bytes: how far ahead of the multiplied rows memory is read
_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_BYTES, _LANES = _I8.as_pointer(), ir.VectorType(_I32, 16)


def _call(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    kind = ir.FunctionType(result, [one.type for one in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


def _pointer(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    """A pointer to bytes, at the beginning of the item `at` of an array."""
    return builder.bitcast(builder.gep(context.make_array(kind)(context, builder, array).data, [at]), _BYTES)


def _whole(value: int) -> Any:
    return ir.Constant(_I64, value)


@intrinsic
def _begin(typing: Any, config: Any) -> Any:
    """Configure the tiles of AMX; for VNNI, which has no tiles, `config` is None."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if not isinstance(config, types.NoneType):
            where = _pointer(context, builder, config, arguments[0], _whole(0))
            _call(builder, "llvm.x86.ldtilecfg", ir.VoidType(), [where])
        return context.get_dummy_value()

    return types.void(config), code


@intrinsic
def _end(typing: Any, config: Any) -> Any:
    """Release the tiles of AMX."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if not isinstance(config, types.NoneType):
            _call(builder, "llvm.x86.tilerelease", ir.VoidType(), [])
        return context.get_dummy_value()

    return types.void(config), code


@intrinsic
def _products(
    typing: Any, config: Any, rows: Any, at: Any, size: Any, planes: Any, words: Any, group: Any, count: Any, found: Any
) -> Any:
    """Write the products of 32 rows and 16 words into found[512 x group :].

    The first row begins at the byte `at`, each next one `size` bytes further. If there are two planes, the second part
    of each row is in the plane behind all 32 rows. Of the `count` words, as `packed` gives them, those of the `group`
    are taken. VNNI does this if `config` is None, else AMX.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, rows_, at_, size_, planes_, words_, group_, count_, found_ = arguments
        steps = builder.udiv(builder.add(size_, _whole(CHUNK - 1)), _whole(CHUNK))
        each = builder.mul(builder.mul(steps, planes_), _whole(CHUNK * GROUP))  # bytes of a group
        row = _pointer(context, builder, rows, rows_, at_)
        word = _pointer(context, builder, words, words_, builder.mul(group_, each))
        out = _pointer(context, builder, found, found_, builder.mul(group_, _whole(ROWS * GROUP)))
        if isinstance(config, types.NoneType):
            many = builder.icmp_signed(">", count_, builder.add(builder.mul(group_, _whole(GROUP)), _whole(8)))
            eights = builder.select(many, _whole(2), _whole(1))
            _with_vnni(builder, row, size_, (planes_, steps), word, eights, out)
        else:
            _with_amx(builder, row, size_, (planes_, steps), word, out)
        return context.get_dummy_value()

    return types.void(config, rows, at, size, planes, words, group, count, found), code


@contextmanager
def _chunks(builder: Any, size: Any, of: tuple[Any, Any]) -> Iterator[tuple[Any, Any]]:
    """Loop over the chunks of each plane; yields how far a chunk is behind the first one, and its number."""
    planes, steps = of
    with cgutils.for_range(builder, planes) as plane, cgutils.for_range(builder, steps) as step:
        apart = builder.mul(plane.index, builder.mul(size, _whole(ROWS)))
        behind = builder.add(apart, builder.mul(step.index, _whole(CHUNK)))
        yield behind, builder.add(builder.mul(plane.index, steps), step.index)


def _with_amx(builder: Any, row: Any, size: Any, of: tuple[Any, Any], word: Any, out: Any) -> None:
    """Multiply with AMX: tiles 0 and 1 add up the products of the rows in tiles 2 and 3 with the words in tile 4."""
    below = builder.gep(row, [builder.mul(size, _whole(16))])

    def tile(name: str, number: int, *others: Any) -> None:
        _call(builder, f"llvm.x86.{name}", ir.VoidType(), [ir.Constant(_I8, number), *others])

    for number in (0, 1):
        tile("tilezero", number)
    with _chunks(builder, size, of) as (behind, chunk):
        tile("tileloadd64", 4, builder.gep(word, [builder.mul(chunk, _whole(CHUNK * GROUP))]), _whole(CHUNK))
        tile("tileloadd64", 2, builder.gep(row, [behind]), size)
        tile("tileloadd64", 3, builder.gep(below, [behind]), size)
        for number in (0, 1):
            tile("tdpbusd", number, ir.Constant(_I8, number + 2), ir.Constant(_I8, 4))
    for number in (0, 1):
        tile("tilestored64", number, builder.gep(out, [_whole(1024 * number)]), _whole(4 * GROUP))


def _with_vnni(builder: Any, row: Any, size: Any, of: tuple[Any, Any], word: Any, eights: Any, out: Any) -> None:
    """Multiply two rows with eight words, `eights` times; `_added` turns 16 registers of 16 sums each into 16 sums."""
    of_word = builder.mul(builder.mul(*of), _whole(CHUNK))
    sums = [cgutils.alloca_once(builder, _LANES) for _ in range(16)]
    with cgutils.for_range(builder, _whole(ROWS // 2)) as pair, cgutils.for_range(builder, eights) as half:
        above = builder.gep(row, [builder.mul(size, builder.mul(pair.index, _whole(2)))])
        rows = above, builder.gep(above, [size])
        first = builder.gep(word, [builder.mul(of_word, builder.mul(half.index, _whole(8)))])
        for one in sums:
            builder.store(ir.Constant(_LANES, [0] * 16), one)
        with _chunks(builder, size, of) as (behind, chunk):
            bytes_of = [_load(builder, builder.gep(one, [behind])) for one in rows]
            for number in range(8):
                at = builder.add(builder.mul(of_word, _whole(number)), builder.mul(chunk, _whole(CHUNK)))
                lanes = _load(builder, builder.gep(first, [at]))
                for side in (0, 1):
                    one = sums[8 * side + number]
                    arguments = [builder.load(one), bytes_of[side], lanes]
                    builder.store(_call(builder, "llvm.x86.avx512.vpdpbusd.512", _LANES, arguments), one)
        added = _added(builder, [builder.load(one) for one in sums])
        for side in (0, 1):
            lanes = ir.Constant(ir.VectorType(_I32, 8), list(range(8 * side, 8 * side + 8)))
            at = builder.add(builder.mul(pair.index, _whole(128)), builder.mul(half.index, _whole(32)))
            where = builder.gep(out, [builder.add(at, _whole(64 * side))])
            eight = builder.shuffle_vector(added, added, lanes)
            builder.store(eight, builder.bitcast(where, eight.type.as_pointer())).align = 4


def _load(builder: Any, where: Any) -> Any:
    found = builder.load(builder.bitcast(where, _LANES.as_pointer()))
    found.align = 1
    return found


def _added(builder: Any, vectors: list[Any]) -> Any:
    """The sums of 16 vectors of 16 lanes, in the lanes of one: each step adds the halves of two vectors into one."""
    while len(vectors) > 1:
        half = len(vectors) // 2
        kept = [lane if not lane & half else 16 + lane for lane in range(16)]  # each half's own lanes
        others = [lane ^ half if not lane & half else 16 + (lane ^ half) for lane in range(16)]
        vectors = [
            builder.add(*(builder.shuffle_vector(a, b, ir.Constant(_LANES, lanes)) for lanes in (kept, others)))
            for a, b in zip(vectors[:half], vectors[half:], strict=True)
        ]
    return vectors[0]


@intrinsic
def _greatest(typing: Any, found: Any, start: Any, stop: Any, best: Any, group: Any) -> Any:
    """Raise best[16 x group :] to the greatest products of the rows from `start` to `stop`, where these are greater."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        of = builder.mul(arguments[4], _whole(GROUP))
        out = builder.bitcast(_pointer(context, builder, best, arguments[3], of), _LANES.as_pointer())
        products = _pointer(context, builder, found, arguments[0], builder.mul(of, _whole(ROWS)))
        most = cgutils.alloca_once_value(builder, _load(builder, builder.bitcast(out, _BYTES)))
        with cgutils.for_range_slice(builder, arguments[1], arguments[2], _whole(1)) as (row, _):
            one, before = _load(builder, builder.gep(products, [builder.mul(row, _whole(64))])), builder.load(most)
            builder.store(builder.select(builder.icmp_signed(">", one, before), one, before), most)
        builder.store(builder.load(most), out).align = 4
        return context.get_dummy_value()

    return types.void(found, start, stop, best, group), code


@intrinsic
def _fetch(typing: Any, rows: Any, at: Any, lines: Any) -> Any:
    """Prefetch lines of 64 bytes into the second-level cache."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        where = builder.ptrtoint(_pointer(context, builder, rows, arguments[0], _whole(0)), _I64)
        with cgutils.for_range(builder, arguments[2]) as loop:
            line = builder.add(builder.add(where, arguments[1]), builder.mul(loop.index, _whole(64)))
            how = [ir.Constant(_I32, value) for value in (0, 2, 1)]  # to read, near, data
            _call(builder, "llvm.prefetch.p0", ir.VoidType(), [builder.inttoptr(line, _BYTES), *how])
        return context.get_dummy_value()

    return types.void(rows, at, lines), code


@intrinsic
def _halves(typing: Any, rows: Any, at: Any, found: Any, low: Any, high: Any) -> Any:
    """Write the lower and the upper halves of 64 bytes at rows[at :] into found[low :] and found[high :]."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows_, at_, found_, low_, high_ = arguments
        both = _load(builder, _pointer(context, builder, rows, rows_, at_))
        mask, four = (ir.Constant(_LANES, [number] * 16) for number in (0x0F0F0F0F, 4))
        for value, to in ((both, low_), (builder.lshr(both, four), high_)):
            where = builder.bitcast(_pointer(context, builder, found, found_, to), _LANES.as_pointer())
            builder.store(builder.and_(value, mask), where).align = 1
        return context.get_dummy_value()

    return types.void(rows, at, found, low, high), code


@njit(nogil=True, cache=True)
def _spread(rows, at, size, found):  # type: ignore[no-untyped-def]
    """Unpack 32 rows of half bytes, from the byte `at`, to whole bytes: all lower halves, then the upper ones."""
    high = ROWS * size
    whole = min(high, len(rows) - at) // CHUNK * CHUNK
    for number in range(0, whole, CHUNK):
        _halves(rows, at + number, found, number, high + number)
    for number in range(whole, min(high, len(rows) - at)):
        found[number] = rows[at + number] & 15
        found[high + number] = rows[at + number] >> 4


@njit(nogil=True, cache=True, fastmath={"reassoc", "nsz"})
def score(  # type: ignore[no-untyped-def]
    config, halves, rows, size, first, count, words, ends, weights, middle, steps, buffers, out
):
    """Compute the rough scores of some pictures with some queries.

    Args:
        config: the configuration of AMX's tiles; None for VNNI.
        halves: None, or a buffer for 32 rows of D bytes: each byte of `rows` then holds two numbers of half a byte.
        rows: (rows x size,) uint8, of a segment.
        size: bytes of a row, D or D / 2.
        first: (I,) the first row of each picture; fastest if ascending.
        count: (I,) the number of rows of each picture, at least 1.
        words: as `packed` gives them.
        ends: (Q + 1,) where the words of each query begin and end.
        weights: (W,) the weight of each word.
        middle: (W,) what is subtracted from each word's products.
        steps: (I,) the step length of each picture.
        buffers: (32 rows of products for each group of words, 32 rows of `size` bytes + 64, a best for each word).
        out: (Q, I) float32, receives the scores.
    """
    products, tail, best = buffers
    groups, planes, base = len(best) // GROUP, 1 if halves is None else 2, -ROWS
    _begin(config)
    for picture in range(len(first)):
        for word in range(len(best)):
            best[word] = LEAST
        row, end = first[picture], first[picture] + count[picture]
        while row < end:
            if not base <= row < base + ROWS:
                base = row
                at, left = base * size, len(rows) - base * size
                if halves is not None:
                    _spread(rows, at, size, halves)
                _fetch(rows, at + AHEAD, ROWS * size // 64)
                if halves is None and left < ROWS * size + CHUNK:  # never read past the end
                    tail[: min(left, len(tail))] = rows[at : at + len(tail)]
                for group in range(groups):
                    if halves is not None:
                        _products(config, halves, 0, size, planes, words, group, len(weights), products)
                    elif left < ROWS * size + CHUNK:
                        _products(config, tail, 0, size, planes, words, group, len(weights), products)
                    else:
                        _products(config, rows, at, size, planes, words, group, len(weights), products)
            stop = min(end, base + ROWS)
            for group in range(groups):
                _greatest(products, row - base, stop - base, best, group)
            row = stop
        for query in range(len(out)):
            total = np.float32(0)
            for word in range(ends[query], ends[query + 1]):
                total += weights[word] * np.float32(best[word] - middle[word])
            out[query, picture] = total * steps[picture]
    _end(config)
