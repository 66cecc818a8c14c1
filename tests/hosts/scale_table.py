#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares `lockstep plan --ranks` with steps on hosts of network namespaces.

    tests/hosts/scale_table.py build/release
    tests/hosts/scale_table.py build/release --ranks-per-host 2 --hosts 2,4

For each network: probes it between two hosts, predicts a step of the MLP on
several hosts from one rank and these figures, runs it there, and prints a table
in Markdown and the mean error. Needs root; see tests/hosts/main.cc.
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build")
    parser.add_argument("--batch", type=int, default=20, help="of each rank")
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--hosts", default="2,4,8")
    parser.add_argument("--ranks-per-host", type=int, default=1)
    parser.add_argument("--most", type=float, default=0,
                        help="fail above this mean error, as in 0.1")
    o = parser.parse_args()
    tool = os.path.join(o.build, "tools/lockstep/lockstep")
    hosts = os.path.join(o.build, "tests/hosts/hosts")
    probe = os.path.join(o.build, "tests/hosts/hosts_probe")
    hosts_of = [int(n) for n in o.hosts.split(",")]
    each = o.ranks_per_host
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        graph = os.path.join(scratch, "mlp.pb")
        run([tool, "bench", "mlp", "--write-graph", graph])
        for delay, mbit in NETWORKS:
            network = ["--delay-us", str(delay), "--mbit", str(mbit)]
            words = run([hosts, "--hosts", "2", *network, "--", probe]).split()
            alpha, beta = float(words[1]) / 2, float(words[3])
            report = json.loads(run(
                [tool, "plan", graph, "--target", "Adam", "--json",
                 "--feed-shape", f"x={o.batch},784",
                 "--feed-shape", f"y={o.batch},10",
                 "--config", "intra_op_parallelism_threads: 1",
                 "--ranks", ",".join(str(n * each) for n in hosts_of),
                 "--ranks-per-host", str(each),
                 "--alpha", str(alpha), "--beta", str(beta)]))["ranks"]
            for n, predicted in zip(hosts_of, report["predictions"]):
                out = run([hosts, "--hosts", str(n), "--slots", str(each),
                           *network, "--", tool, "bench", "mlp",
                           "--batch", str(o.batch * n * each),
                           "--threads", "1", "--warmup", "3",
                           "--steps", str(o.steps), "--json"])
                measured = json.loads(out[out.index("{"):])["us_med"]
                error = predicted["step_us"] / measured - 1
                # One rank a host is simulated, too.
                simulated = predicted.get("simulated_us")
                played = f"{simulated / 1e3:.1f}" if simulated else "-"
                rows.append(abs(error))
                if len(rows) == 1:
                    print("| delay, rate asked | probed | hosts | predicted ms "
                          "| simulated ms | measured ms | error |\n"
                          "|---|---|---|---|---|---|---|")
                print(f"| {delay} us, {mbit} Mbit/s | {alpha:.0f} us, "
                      f"{beta:.1f} Mbit/s | {n} "
                      f"| {predicted['step_us'] / 1e3:.1f} "
                      f"| {played} "
                      f"| {measured / 1e3:.1f} | {100 * error:+.1f} % |",
                      flush=True)
    mean = sum(rows) / len(rows)
    print(f"\nmean error {100 * mean:.1f} %, largest {100 * max(rows):.1f} %")
    return 1 if o.most > 0 and mean > o.most else 0


if __name__ == "__main__":
    sys.exit(main())
