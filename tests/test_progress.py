"""Progress says how fast work goes and when it ends."""

import pytest

from wordsight import progress
from wordsight.progress import Progress, rate


def test_a_line_says_how_fast_it_goes_and_how_long_it_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = iter([0.0, 10.0, 20.0, 25.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    with Progress().task("pictures") as count:
        count(0, 20_000)
        count(400, 20_000)
        count(500, 20_000)
    assert capsys.readouterr().err == "pictures: 400 of 20,000, 20 a second, 16:20 left\n"


def test_a_terminal_shows_a_rate_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    with Progress().task("pictures") as count:
        for done in range(1, 200):
            count(done, 200)
    assert "199/200" in capsys.readouterr().err


@pytest.mark.parametrize(("speed", "said"), [(0.5, "30 a minute"), (1.5, "1.5 a second"), (1234.0, "1234 a second")])
def test_rates_are_readable(speed: float, said: str) -> None:
    assert rate(speed) == said
