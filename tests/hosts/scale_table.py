#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares `lockstep plan --ranks` with steps that were run.

    tests/hosts/scale_table.py build/release
    tests/hosts/scale_table.py build/release --ranks-per-host 2 --hosts 1,2,4
    tests/hosts/scale_table.py build/release --all

For each network: probes it between two hosts of network namespaces, predicts a
step of the MLP on several hosts from one rank and these figures, runs it there,
and prints a table in Markdown and the mean error. Several ranks of one host sum
in shared memory, whose rate `lockstep bench allreduce` measures; `--hosts 1` is
this machine without a network. `--all`: the tables of docs/scaling.md, on a
machine that does nothing else. Needs root for hosts; see tests/hosts/main.cc.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

NETWORKS = [(500, 100), (5000, 100), (2000, 50), (10000, 20)]  # us, Mbit/s


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=570)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: status {done.returncode}\n"
                 f"{done.stdout}{done.stderr}")
    return done.stdout


class Comparison:
    """One table: as many ranks on each host."""

    def __init__(self, options, each, graph):
        self.o, self.each, self.graph = options, each, graph
        self.tool = os.path.join(options.build, "tools/lockstep/lockstep")
        self.hosts = os.path.join(options.build, "tests/hosts/hosts")
        self.errors = []
        self.shared = self.probe_shared() if each > 1 else None

    def probe_shared(self):
        """MB that the ranks of a host sum together in a second."""
        out = run([self.tool, "bench", "allreduce", "--ranks", str(self.each),
                   "--backend", "shm", "--max-bytes", str(1 << 20), "--json"])
        rows = [json.loads(line) for line in out.splitlines()
                if line.startswith("{")]
        largest = max((r for r in rows if r["backend"] == "shm in place"),
                      key=lambda r: r["bytes"])
        return largest["bytes"] / largest["us_med"]

    def probe(self, network):
        """Microseconds one way and Mbit/s between two hosts."""
        probe = os.path.join(self.o.build, "tests/hosts/hosts_probe")
        words = run([self.hosts, "--hosts", "2", *network, "--",
                     probe]).split()
        return float(words[1]) / 2, float(words[3])

    def predict(self, hosts_of, alpha, beta):
        ranks = [n * self.each for n in hosts_of]
        command = [self.tool, "plan", self.graph, "--target", "Adam", "--json",
                   "--feed-shape", f"x={self.o.batch},784",
                   "--feed-shape", f"y={self.o.batch},10",
                   "--config", "intra_op_parallelism_threads: 1",
                   "--simulate-up-to", str(max(ranks)),
                   "--ranks", ",".join(str(n) for n in ranks),
                   "--ranks-per-host", str(self.each),
                   "--alpha", str(alpha), "--beta", str(beta)]
        if self.shared:
            command += ["--shared", str(self.shared)]
        return json.loads(run(command))["ranks"]["predictions"]

    def measure(self, n, network):
        """Microseconds of a step on n hosts."""
        bench = [self.tool, "bench", "mlp",
                 "--batch", str(self.o.batch * n * self.each),
                 "--threads", "1", "--warmup", "3",
                 "--steps", str(self.o.steps), "--json"]
        if n == 1:
            out = run(bench + ["--ranks", str(self.each)])
        else:
            out = run([self.hosts, "--hosts", str(n), "--slots",
                       str(self.each), *network, "--", *bench])
        return json.loads(out[out.index("{"):])["us_med"]

    def row(self, asked, probed, n, predicted, measured):
        error = predicted["step_us"] / measured - 1
        if not self.errors:
            print("| delay, rate asked | probed | hosts | ranks | predicted ms "
                  "| simulated ms | measured ms | error |\n"
                  "|---|---|---|---|---|---|---|---|")
        self.errors.append(abs(error))
        print(f"| {asked} | {probed} | {n} | {n * self.each} "
              f"| {predicted['step_us'] / 1e3:.2f} "
              f"| {predicted['simulated_us'] / 1e3:.2f} "
              f"| {measured / 1e3:.2f} | {100 * error:+.1f} % |", flush=True)

    def table(self, hosts_of):
        """The mean error."""
        if 1 in hosts_of and self.each > 1:
            predicted = self.predict([1], 1, 1000)[0]
            self.row("shared memory", f"{self.shared:.0f} MB/s", 1, predicted,
                     self.measure(1, []))
        several = [n for n in hosts_of if n > 1]
        for delay, mbit in NETWORKS if several else []:
            network = ["--delay-us", str(delay), "--mbit", str(mbit)]
            alpha, beta = self.probe(network)
            for n, predicted in zip(several,
                                    self.predict(several, alpha, beta)):
                self.row(f"{delay} us, {mbit} Mbit/s",
                         f"{alpha:.0f} us, {beta:.1f} Mbit/s", n, predicted,
                         self.measure(n, network))
        mean = sum(self.errors) / len(self.errors)
        print(f"\nmean error {100 * mean:.1f} %, "
              f"largest {100 * max(self.errors):.1f} %\n", flush=True)
        return mean


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build")
    parser.add_argument("--batch", type=int, default=20, help="of each rank")
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--hosts", default="2,4,8")
    parser.add_argument("--ranks-per-host", type=int, default=1)
    parser.add_argument("--all", action="store_true",
                        help="one rank on 2, 4, 8 hosts, two on 1, 2, 4, and "
                        "four on this machine")
    parser.add_argument("--most", type=float, default=0,
                        help="fail above this mean error, as in 0.1")
    o = parser.parse_args()
    asked = [(o.ranks_per_host, [int(n) for n in o.hosts.split(",")])]
    if o.all:
        asked = [(1, [2, 4, 8]), (2, [1, 2, 4]), (4, [1])]
    worst = 0
    with tempfile.TemporaryDirectory() as scratch:
        graph = os.path.join(scratch, "mlp.pb")
        run([os.path.join(o.build, "tools/lockstep/lockstep"), "bench", "mlp",
             "--write-graph", graph])
        for each, hosts_of in asked:
            worst = max(worst, Comparison(o, each, graph).table(hosts_of))
    return 1 if o.most > 0 and worst > o.most else 0


if __name__ == "__main__":
    sys.exit(main())
