"""A server with an index of painted pictures, for the benchmarks that send it requests."""

import http.client
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Served:
    """A running `wordsight serve`.

    Attributes:
        process: the server.
        port: its port on 127.0.0.1.
        index: its folder.
    """

    process: "subprocess.Popen[str]"
    port: int
    index: Path

    def memory(self, name: str = "VmRSS") -> float:
        """The server's memory in MB (Linux)."""
        found = re.search(rf"{name}:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())
        return int(found[1]) / 1e3 if found else 0.0

    def peak(self) -> float:
        """The server's peak memory in MB."""
        return self.memory("VmHWM")

    def upload(self, where: str, path: Path) -> int:
        """Send a picture; returns the status of the answer."""
        head = b'--b\r\nContent-Disposition: form-data; name="picture"; filename="x"\r\n\r\n'
        asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=240)
        try:
            body = head + path.read_bytes() + b"\r\n--b--\r\n"
            asked.request("POST", where, body, {"Content-Type": "multipart/form-data; boundary=b"})
            answer = asked.getresponse()
            answer.read()
            return answer.status
        except OSError:
            return 413 if path.stat().st_size > 20 * 2**20 else 0  # the answer came before all was sent
        finally:
            asked.close()


@contextmanager
def serving(*options: str, pictures: int = 60) -> Iterator[Served]:
    """Index painted pictures with the bundled model, and serve them with its captioners."""
    from wordsight.data.painted.world import paint_world
    from wordsight.progress import Progress
    from wordsight.search.index import Index

    with tempfile.TemporaryDirectory() as work:
        world = paint_world(Path(work, "world"), pictures)
        index = Index.create(Path(work, "index"))
        index.build(sorted((world / "images").iterdir()), progress=Progress(quiet=True))
        with started(index.folder, *options) as served:
            yield served


@contextmanager
def started(folder: Path, *options: str) -> Iterator[Served]:
    """Serve an index."""
    command = [sys.executable, "-m", "wordsight.cli.main", "serve", str(folder), "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if found := re.search(r"http://[^:]+:(\d+)/", line):
                    break
            else:
                raise SystemExit("the server does not start")
            yield Served(process, int(found[1]), folder)
        finally:
            process.terminate()
            process.wait(10)
