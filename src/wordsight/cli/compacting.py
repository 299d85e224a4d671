"""The command `wordsight index compact`."""

from typing import Annotated

import typer

from wordsight.cli.options import IndexFolder, Json, command, print_result


@command
def compact(
    index: IndexFolder,
    region_bytes: Annotated[
        int | None,
        typer.Option(
            help="Bytes of each region's codes; more bytes find more of the best pictures.", show_default="112"
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Keep 4 KB per picture in place of exact vectors, from now on: a thirtieth. This cannot be undone."""
    from wordsight.search.index import Index

    made = Index(index)
    done = made.compact(region_bytes)
    waits = " (it stays exact until it has 256 pictures)" if not made.segments.codebook else ""
    print_result({"compacted": done} | made.info(), f"{index}: {done:,} pictures made compact{waits}", as_json)
