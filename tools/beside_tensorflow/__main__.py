# SPDX-License-Identifier: Apache-2.0
"""Times training steps and single ops in TensorFlow and in Lockstep.

    PY tools/beside_tensorflow [--ops] [--threads N] [--seconds S] [NAME ...]

PY is a Python that has TensorFlow 2. Each of models.py's graphs (with --ops, of
ops.py's) is made and run there, and the same GraphDef by `lockstep bench
--graph`, in turn; the least of --rounds rounds is kept. Of an op's time in
TensorFlow that of a run of no op is taken off. Prints a table in Markdown:
where the ratio is below 1, Lockstep is slower.
"""
import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = ""
HERE = os.path.dirname(os.path.abspath(__file__))


class Run:
    """What is run: fetched or only made, after an initial op or none."""

    def __init__(self, feeds, target, fetch=None, init=None):
        self.feeds, self.target = feeds, target  # feeds: (placeholder, value)
        self.fetch, self.init = fetch, init


class Comparison:
    def __init__(self, options, folder):
        self.o = options
        self.file = os.path.join(folder, "graph.pb")

    def tensorflow(self, session, run, wanted):
        """The least microseconds of a step, and how many were made."""
        step = session.make_callable(wanted, [p for p, _ in run.feeds])
        values = [v for _, v in run.feeds]
        times, end = [], time.perf_counter() + self.o.seconds
        while len(times) < 6 or time.perf_counter() < end:
            begin = time.perf_counter()
            step(*values)
            times.append(time.perf_counter() - begin)
        return min(times[1:]) * 1e6, len(times)

    def lockstep(self, run, steps):
        command = [self.o.lockstep, "bench", "--graph", self.file, "--json",
                   "--threads", str(self.o.threads), "--steps", str(steps)]
        for placeholder, value in run.feeds:
            command += ["--feed-shape", f"{placeholder.op.name}="
                        + ",".join(str(d) for d in value.shape)]
        command += ["--target", run.target.name]
        if run.fetch is not None:
            command += ["--fetch", run.fetch.name]
        if run.init is not None:
            command += ["--init", run.init.name]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip() or done.stdout.strip())
        return json.loads(done.stdout.splitlines()[-1])["us_min"]

    def times(self, v1, build):
        graph = v1.Graph()
        with graph.as_default():
            v1.set_random_seed(1)
            run = build()
            nothing = v1.no_op()
        wanted = [t for t in (run.fetch, run.target) if t is not None]
        with open(self.file, "wb") as file:
            file.write(graph.as_graph_def().SerializeToString())
        config = v1.ConfigProto(intra_op_parallelism_threads=self.o.threads,
                                inter_op_parallelism_threads=self.o.threads)
        theirs, ours = [], []
        with v1.Session(graph=graph, config=config) as session:
            if run.init is not None:
                session.run(run.init)
            for _ in range(self.o.rounds):
                least, steps = self.tensorflow(session, run, wanted)
                if self.o.ops:
                    least -= self.tensorflow(session, run, [nothing])[0]
                theirs.append(max(least, 0))
                ours.append(self.lockstep(run, min(max(steps, 20), 1000)))
        return min(theirs), min(ours)


def text(us):
    return f"{us / 1000:.2f} ms" if us >= 1000 else f"{us:.0f} us"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--ops", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--lockstep", default=os.path.join(
        HERE, "../../build/release/tools/lockstep/lockstep"))
    options = parser.parse_args()
    sys.path.insert(0, HERE)
    cases = importlib.import_module("ops" if options.ops else "models")
    v1 = cases.v1
    builders = cases.builders(Run)
    unknown = sorted(set(options.names) - set(builders))
    if unknown:
        parser.error(f"there is no {unknown[0]}; there are: "
                     + ", ".join(builders))
    failed = False
    print("| | TensorFlow | Lockstep | ratio |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.names or builders:
            try:
                theirs, ours = Comparison(options, folder).times(
                    v1, builders[name])
            except RuntimeError as error:
                failed = True
                print(f"| {name} | | {error} | |", flush=True)
                continue
            print(f"| {name} | {text(theirs)} | {text(ours)} "
                  f"| {theirs / ours:.2f} |", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
