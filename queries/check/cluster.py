"""Compares what lookback answers itself with what a cluster of Ballista answers for it, and kills a part of the cluster meanwhile.

    python3 cluster.py LOOKBACK XTASK ARCHIVE|LOGS... [--dir DIR] [--kills N]

LOOKBACK and XTASK are the binaries; a folder that is an archive is asked as it is, and of all other LOGS plain and gzip logs are
imported together, into an archive that is gone afterwards. Ballista is what `cargo xtask cluster install` has put into DIR; a cluster
of two executors is begun with it, beside any that runs already, and ended. Every question is asked of lookback and of the cluster, with
--cross-check: rows and what they rest on must be the same, but for what a question of KNOWN does. Then questions are asked and an
executor is killed at another moment each time: the answer must be right, or an error that prints nothing. At last, two clients
declare different archives at the same time, an archive changes between questions, the scheduler does not speak Flight SQL, and is gone. Exits with 1 when anything
differs, with 3 when there is no Ballista. Needs the packages that flight.py needs.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import agree
import flight
import second_opinion

# What cannot be asked of Ballista 55, and what it says.
# Its executors know no item of a list (array_element), which alone names policies.
KNOWN = {"policy-coverage": "task could not be prepared or was rejected by executor"}
# What is asked while an executor is killed: joins, and a count.
KILLED = ["http-latency", "dns-latency", "verdicts"]
# Some jobs of which Ballista has lost a part never end.
PATIENCE = ["--engine-timeout", "60s"]


def say(*words):
    print(*words, file=sys.stderr, flush=True)


class Cluster:
    """Two executors and a scheduler, until it is closed."""

    def __init__(self, xtask, folder, programs):
        self.command = [xtask, "cluster", "--state", folder, *(["--dir", programs] if programs else [])]
        self.folder, self.more = Path(folder), []

    def is_there(self):
        done = subprocess.run([*self.command, "install", "--check"], capture_output=True, text=True, check=False)
        say(*done.stderr.splitlines())
        return done.returncode == 0

    def run(self, what, *flags):
        done = subprocess.run([*self.command, what, *flags], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"cluster {what}: {done.stderr}")
        return done

    def begin(self):
        self.address = self.run("up", *self.more).stdout.strip()

    def end(self):
        self.run("down")

    def again(self):
        self.end()
        self.begin()

    def kill(self, name):
        """As a machine that is gone does: it takes leave of nobody."""
        processes = json.loads((self.folder / "cluster.json").read_text())["processes"]
        [found] = [process for process in processes if process["name"] == name]
        stat = Path(f"/proc/{found['pid']}/stat").read_text()
        if int(stat.rpartition(")")[2].split()[19]) != found["began"]:
            raise SystemExit(f"{name} is not what was begun")
        os.kill(found["pid"], signal.SIGKILL)


class Check:
    def __init__(self, binary, archive):
        self.binary, self.archive = binary, archive
        self.passed, self.wrong, self.rows, self.seconds = 0, [], 0, []

    def must(self, good, told):
        self.passed += bool(good)
        if not good:
            self.wrong.append(told)
            say(told)
        return good

    def ask(self, ask, cluster=None, *flags, timeout=900):
        """Its code, its output, its words and its seconds."""
        elsewhere = ["--engine", cluster.address, "--engine-archive", self.archive] if cluster else []
        command = [self.binary, "ask", *ask, self.archive, "-o", "csv", "--raw", *elsewhere, *flags]
        begin = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)
        return done.returncode, done.stdout, done.stderr, time.monotonic() - begin

    def take(self, log):
        """Imports one of the test logs."""
        log = second_opinion.QUERIES.parent / "testdata" / log
        subprocess.run([self.binary, "import", "-q", log, "-o", self.archive], check=True)

    def compact(self):
        subprocess.run([self.binary, "archive", "compact", self.archive], check=True, capture_output=True)

    def alike(self, file, ours, theirs):
        (code, out, err, _), (other_code, other_out, other_err, _) = ours, theirs
        same = flight.same(flight.durations(file), flight.lines(out), flight.lines(other_out))
        return code == other_code == 0 and same and err == other_err

    def refused(self, told, words):
        code, out, err, _ = told
        good = code == 2 and not out and all(word in err for word in words)
        return self.must(good, f"not refused with {words}: {code} {out[:200]} {err[:500]}")


def questions(only):
    """Every question and variant, with the name of its file and its flags."""
    for file in sorted(p.stem for p in second_opinion.QUERIES.glob("*.sql")):
        question, _, by = file.partition(".by-")
        for choice in agree.POSITIONAL.get(question, [[], [""]])[1]:
            if only in file:
                yield file, [question, *choice.split(), *(["--by", by] if by else [])]


def compare(check, cluster, only):
    """Every question, of both."""
    for file, ask in questions(only):
        ours, theirs = check.ask(ask), check.ask(ask, cluster, "--cross-check")
        name = " ".join(ask)
        if file in KNOWN:
            check.refused(theirs, [KNOWN[file]])
            continue
        rows = flight.lines(ours[1])
        check.rows += len(rows) - 1
        check.seconds.append((name, ours[3], theirs[3]))
        if not check.must(check.alike(file, ours, theirs), f"{name} differs:\n{theirs[2][:1500]}"):
            for x, y in [(x, y) for x, y in zip(rows, flight.lines(theirs[1])) if x != y][:3]:
                say(f"  lookback {','.join(x)}\n  cluster  {','.join(y)}")


def kills(check, cluster, times):
    """An executor dies: at the beginning of a question, at its end, and between."""
    outcomes = {"right": 0, "error": 0, "never": 0}
    for question in KILLED:
        ours = check.ask([question])
        # One that was left by the question before may be at work still: nothing tells it that nobody waits for it.
        cluster.again()
        whole = check.ask([question], cluster)
        for time_of in range(times):
            cluster.again()
            victim = f"executor-{1 + time_of % 2}"
            answer = []
            asking = threading.Thread(target=lambda: answer.append(check.ask([question], cluster, *PATIENCE)))
            asking.start()
            asking.join(whole[3] * (time_of + 0.5) / times)
            cluster.kill(victim)
            asking.join()
            code, out, err, seconds = answer[0]
            is_right = check.alike(question, ours, answer[0])
            is_error = code == 2 and not out and "flight://127.0.0.1" in err
            outcomes["right" if is_right else "never" if "no whole answer within" in err else "error"] += 1
            told = "right" if is_right else err.strip()[:300]
            say(f"{question}, {victim} killed at {(time_of + 0.5) / times:.0%}: {code}, {seconds:.1f} s, {told}")
            check.must(is_right or is_error, f"{question}, killed {victim}: {code} {out[:300]} {err[:500]}")
        # With one that is left, the same question has its answer, once the dead one is missed.
        left = check.ask([question], cluster, *PATIENCE)
        say(f"{question}, of the one that is left: {left[0]}, {left[3]:.1f} s {left[2].strip()[:300] if left[0] else ''}")
        check.must(check.alike(question, ours, left) or (left[0] == 2 and not left[1]), f"{question}, of one that is left: {left[:3]}")
    return outcomes


def beside(check, cluster, folder):
    """Two that declare different archives at the same time have each their own."""
    other = Check(check.binary, str(folder / "other"))
    other.take("shop")
    checks, told = [check, other], {}
    ours = [each.ask(["verdicts"]) for each in checks]
    check.must(ours[0][1] != ours[1][1], "two archives with the same verdicts")

    def ask(at):
        told[at] = [checks[at].ask(["verdicts"], cluster) for _ in range(5)]

    threads = [threading.Thread(target=ask, args=(at,)) for at in (0, 1)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    for at in (0, 1):
        good = all(check.alike("verdicts", ours[at], answer) for answer in told[at])
        check.must(good, f"one of two at the same time: {[answer[:3] for answer in told[at]]}"[:2000])


def grown(check, cluster, folder):
    """What was imported since the last question is part of the answer, and so are files that were merged."""
    other = Check(check.binary, str(folder / "growing"))
    for change in (lambda: other.take("shop"), lambda: other.take("incident"), other.compact):
        change()
        ours, theirs = other.ask(["verdicts"]), other.ask(["verdicts"], cluster)
        check.must(other.alike("verdicts", ours, theirs), f"an archive that changed: {ours[:3]} {theirs[:3]}"[:2000])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lookback")
    parser.add_argument("xtask")
    parser.add_argument("inputs", nargs="+")
    parser.add_argument("--dir", help="where Ballista is [default: as xtask has it]")
    parser.add_argument("--kills", type=int, default=4, help="executors killed for each of a few questions")
    parser.add_argument("--only", default="", help="questions with this in their name")
    parser.add_argument("--times", action="store_true", help="tell the seconds of each question")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lb") as folder:
        folder = Path(folder)
        cluster = Cluster(args.xtask, folder / "run", args.dir)
        if not cluster.is_there():
            return 3
        archive = args.inputs[0]
        if len(args.inputs) > 1 or not (Path(archive) / "flows").is_dir():
            archive = str(folder / "archive")
            subprocess.run([args.lookback, "import", "-q", *agree.logs(args.inputs), "-o", archive], check=True)
        else:
            archive = str(Path(archive).resolve())
        check = Check(args.lookback, archive)
        cluster.begin()
        try:
            compare(check, cluster, args.only)
            cluster.more = ["--missed", "15"]
            outcomes = kills(check, cluster, args.kills)
            cluster.more = []
            cluster.again()
            beside(check, cluster, folder)
            grown(check, cluster, folder)
            cluster.more = ["--no-flight-sql"]
            cluster.again()
            check.refused(check.ask(["verdicts"], cluster), ["127.0.0.1", "--flight-sql"])
            cluster.end()
            check.refused(check.ask(["verdicts"], cluster), ["127.0.0.1", "nothing listens there"])
        finally:
            cluster.end()
    if args.times:
        for name, ours, theirs in check.seconds:
            print(f"{name:<50} {ours:>8.2f} s {theirs:>8.2f} s {theirs / ours:>6.1f}")
    print(f"a cluster, {check.rows} rows: {check.passed} passed, {len(check.wrong)} failed; "
          f"of answers while an executor was killed {outcomes['right']} were right, {outcomes['error']} errors, "
          f"{outcomes['never']} did not come")
    return 1 if check.wrong or not check.rows else 0


if __name__ == "__main__":
    sys.exit(main())
