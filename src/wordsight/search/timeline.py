"""Timeline: all pictures of an index by date, newest first, with only what a page needs to lay them out."""

from wordsight.files import to_json
from wordsight.search.catalog import Catalog
from wordsight.search.filters import Filter, condition_of
from wordsight.search.frames import FRAME, VIDEO, once, videos
from wordsight.search.paths import Paths

WIDEST = 10_000  # hundredths: the greatest ratio of width to height that is given


def timeline(catalog: Catalog, paths: Paths, wanted: Filter) -> str:
    """The pictures and videos that pass a filter, as JSON, without those that wait to be encoded again.

    SQLite itself writes the long lists: reading one row per picture takes several times as long.

    Returns:
        An object: `total`; `numbers`, newest first, for a video that of its middle frame; `ratios`, 100 times width
        divided by height of each, 1 to 10,000; `days`, each day with the number of pictures taken on it, newest first,
        "" for those without a date; `videos`, the length of each video in seconds, by its number in `numbers`.

    Raises:
        InputError: the filter cannot be used.
    """
    where, values = condition_of(catalog.db, paths, wanted)
    values = values + values
    ratio = f"max(1, min({WIDEST}, (100 * width + height / 2) / height))"
    ratio = f"CASE WHEN width > 0 AND height > 0 THEN {ratio} ELSE 100 END"
    there = f"FROM pictures WHERE rows != 0 AND {where} AND {once(where)}"
    newest = f"SELECT number, {ratio} AS ratio {there} ORDER BY taken DESC, number DESC"
    both = f"SELECT json_group_array(number), json_group_array(ratio) FROM ({newest})"
    numbers, ratios = catalog.db.execute(both, values).fetchone()
    by_day = f"SELECT substr(taken, 1, 10), count(*) {there} GROUP BY 1 ORDER BY 1 DESC"
    days = catalog.db.execute(by_day, values).fetchall()
    long = {name: video.seconds for name, video in videos(catalog).items()}
    found = catalog.db.execute(f"SELECT number, {VIDEO} {there} AND {FRAME}", values) if long else ()
    seconds = {number: long.get(name, 0.0) for number, name in found}
    total = sum(count for _, count in days)
    plain = f'"days":{to_json(days)},"videos":{to_json(seconds)}'
    return f'{{"total":{total},"numbers":{numbers},"ratios":{ratios},{plain}}}'
