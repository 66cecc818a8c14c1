# SPDX-License-Identifier: Apache-2.0
"""Runs many small graphs in TensorFlow and in Lockstep and compares.

    op_sweep.py LOCKSTEP [-f FAMILY] [-k PATTERN] [--keep DIR] [-v]

Families are the modules of op_cases; each adds cases to a Sweep. The graphs of a
family become one GraphDef and one case file, so each family is one run of
`lockstep run`, and another one with all stateless nodes as targets. Prints what differs and is not in op_cases.KNOWN, and last how many
cases there were. LOCKSTEP_SWEEP_NAMES=1 names each case before TensorFlow runs it.
"""
import argparse
import base64
import importlib
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tempfile

import peer
from op_cases import KNOWN
from op_sweep_compare import BFLOAT16, StepError, check_step
from op_sweep_steps import Steps

try:
    import numpy as np
    import tensorflow.compat.v1 as tf
    from tensorflow.python.framework import op_def_registry
except ImportError:
    peer.skip("no TensorFlow here; tools/peers installs it")

tf.disable_eager_execution()
tf.disable_control_flow_v2()


class Case:
    def __init__(self, name, build, tolerance, shape_only, words):
        self.name, self.build = name, build
        self.tolerance, self.shape_only, self.words = tolerance, shape_only, words
        self.feeds, self.steps, self.wanted = {}, [], []
        self.graph_def = None


class Sweep:
    """What op_cases modules use: types, arguments, and add()."""
    floats = ["float16", "bfloat16", "float32", "float64"]
    wide = ["float32", "float64"]
    complexes = ["complex64", "complex128"]
    ints = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
    signed = ["int8", "int16", "int32", "int64"]
    numbers = floats + complexes + ints

    def __init__(self, family):
        self.family, self.cases = family, []
        self._case = None

    def add(self, name, build, tolerance=None, shape_only=False, words=False):
        """`words`: an error begins with TensorFlow's first words."""
        self.cases.append(Case(name, build, tolerance, shape_only, words))

    def arg(self, value, dtype="float32", known=None):
        """A placeholder that is fed; its shape is given in the graph if `known`."""
        case = self._case
        if known is None:  # about half of them, always the same ones
            known = (len(case.feeds) + len(case.name)) % 2 == 0
        dtype = tf.as_dtype(dtype)
        if dtype == tf.string:
            array = np.asarray(value, dtype=object)
        else:
            array = np.asarray(value).astype(dtype.as_numpy_dtype)
        p = tf.placeholder(dtype, array.shape if known else None, name="arg%d" % len(case.feeds))
        case.feeds[p.name] = array
        return p

    def rand(self, shape, dtype="float32", low=-2.0, high=2.0, seed=1, known=None):
        values = np.random.RandomState(seed).uniform(low, high, shape)
        return self.arg(values, dtype, known)

    def with_grads(self, y, xs):
        """y and its gradients; those of complex outputs are left out."""
        ys = list(y) if isinstance(y, (list, tuple)) else [y]
        grads = tf.gradients(ys, list(xs))
        out = []
        for g in grads:
            if isinstance(g, tf.IndexedSlices):
                g = tf.convert_to_tensor(g)
            if g is not None:
                out.append(tf.identity(g, name="out_grad%d" % len(out)))
        return ys + out

    def prepare(self, pattern):
        ready = []
        for case in self.cases:
            if pattern and pattern not in "%s/%s" % (self.family, case.name):
                continue
            if os.environ.get("LOCKSTEP_SWEEP_NAMES"):  # some crash TensorFlow
                print("  %s/%s" % (self.family, case.name), flush=True)
            graph = tf.Graph()
            self._case = case
            with graph.as_default():
                tf.set_random_seed(7)
                try:
                    made = case.build()
                except (ValueError, TypeError, LookupError, NotImplementedError, tf.errors.OpError) as e:
                    print("  cannot build %s/%s: %s" % (self.family, case.name, str(e)[:200]))
                    continue
                steps = made if isinstance(made, Steps) else [made]
                case.steps = [s if isinstance(s, (list, tuple)) else [s] for s in steps]
                case.steps = [[as_fetch(x) for x in s if x is not None] for s in case.steps]
                case.graph_def = graph.as_graph_def()
                try:
                    with tf.Session(graph=graph) as session:
                        for step in case.steps:
                            case.wanted.append(run_step(session, step, case.feeds))
                except NotInTensorFlow:
                    continue
            ready.append(case)
        self.cases = ready


def as_fetch(x):
    """A tensor or an operation; variables are read."""
    return x if isinstance(x, (tf.Tensor, tf.Operation)) else tf.convert_to_tensor(x)


# What TensorFlow says of types that it lacks and Lockstep may have.
NO_KERNEL = ("No OpKernel was registered", "Could not find device", "Cannot assign a device")


class NotInTensorFlow(Exception):
    pass


def run_step(session, step, feeds):
    """A list of values, or a StepError."""
    try:
        tensors = [t for t in step if not isinstance(t, tf.Operation)]
        operations = [t for t in step if isinstance(t, tf.Operation)]
        values = session.run([tensors, operations], feeds)[0]
        return [np.asarray(v) for v in values]
    except tf.errors.OpError as e:
        if any(text in e.message for text in NO_KERNEL):
            raise NotInTensorFlow()
        text = re.search(r"\nNode: '[^']*'\n(.*?)\s*\[\[", e.message + "[[", re.S)
        return StepError(CODES.get(e.error_code, str(e.error_code)), text.group(1) if text else "")


CODES = {1: "CANCELLED", 2: "UNKNOWN", 3: "INVALID_ARGUMENT", 4: "DEADLINE_EXCEEDED",
         5: "NOT_FOUND", 6: "ALREADY_EXISTS", 7: "PERMISSION_DENIED", 8: "RESOURCE_EXHAUSTED",
         9: "FAILED_PRECONDITION", 10: "ABORTED", 11: "OUT_OF_RANGE", 12: "UNIMPLEMENTED",
         13: "INTERNAL", 14: "UNAVAILABLE", 15: "DATA_LOSS"}


# ---------------------------------------------------------------- one graph of all cases

def renamed(name, prefix):
    return "^" + prefix + name[1:] if name.startswith("^") else prefix + name


def merge(cases):
    """One GraphDef; the nodes of case i begin with "c<i>/"."""
    merged = tf.GraphDef()
    merged.versions.producer = cases[0].graph_def.versions.producer
    for i, case in enumerate(cases):
        prefix = "c%d/" % i
        rename = {f.signature.name: "c%d_%s" % (i, f.signature.name)
                  for f in case.graph_def.library.function}
        for node in case.graph_def.node:
            out = merged.node.add()
            out.CopyFrom(node)
            out.name = prefix + node.name
            out.input[:] = [renamed(n, prefix) for n in node.input]
            if "_class" in out.attr:
                out.attr["_class"].list.s[:] = [
                    s.replace(b"loc:@", b"loc:@" + prefix.encode()) for s in out.attr["_class"].list.s]
            for key in ("shared_name", "frame_name"):
                if key in out.attr and out.attr[key].s:
                    out.attr[key].s = prefix.encode() + out.attr[key].s
            rename_functions(out, rename)
        for f in case.graph_def.library.function:
            out = merged.library.function.add()
            out.CopyFrom(f)
            out.signature.name = rename[f.signature.name]
            for node in out.node_def:
                rename_functions(node, rename)
        for g in case.graph_def.library.gradient:
            merged.library.gradient.add(function_name=rename[g.function_name],
                                        gradient_func=rename[g.gradient_func])
    return merged


def rename_functions(node, rename):
    node.op = rename.get(node.op, node.op)
    for value in node.attr.values():
        if value.HasField("func"):
            value.func.name = rename.get(value.func.name, value.func.name)
        for f in value.list.func:
            f.name = rename.get(f.name, f.name)


def feed_json(array, directory, counter):
    if array.dtype == object:
        items = [v if isinstance(v, bytes) else str(v).encode() for v in array.reshape(-1)]
        return {"strings": [encode(v) for v in items], "shape": list(array.shape)}
    name = "f%d.npy" % counter[0]
    counter[0] += 1
    if array.dtype == np.dtype(BFLOAT16):
        array = array.astype(np.float32)
    np.save(os.path.join(directory, name), array)
    return name


def encode(raw):
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(raw).decode()}


def write(cases, directory, everything):
    with open(os.path.join(directory, "graph.pb"), "wb") as f:
        f.write(merge(cases).SerializeToString())
    counter, steps = [0], []
    for i, case in enumerate(cases):
        prefix = "c%d/" % i
        feeds = {prefix + n: feed_json(v, directory, counter) for n, v in case.feeds.items()}
        for step in case.steps:
            steps.append({
                "feed": feeds,
                "fetch": [prefix + t.name for t in step if not isinstance(t, tf.Operation)],
                "targets": [prefix + n for n in targets_of(case, step, everything)]})
    with open(os.path.join(directory, "case.json"), "w") as f:
        json.dump({"steps": steps}, f)


# Nodes that are run when no output of theirs is asked for, as they may be dead.
UNASKED = ("Switch", "Merge", "Enter", "Exit", "NextIteration", "LoopCond", "RefSwitch", "RefMerge",
           "RefEnter", "RefExit", "RefNextIteration", "Placeholder", "PlaceholderV2")


def targets_of(case, step, everything):
    """Operations of the step; with `everything` all stateless nodes that it needs."""
    targets = {t.name for t in step if isinstance(t, tf.Operation)}
    if not everything:
        return sorted(targets)
    nodes = {n.name: n for n in case.graph_def.node}
    needed, names = {}, [t.op.name for t in step if not isinstance(t, tf.Operation)] + list(targets)
    while names:
        name = names.pop()
        if name not in needed:
            needed[name] = nodes[name].op
            names += [re.sub(r"^\^|:\d+$", "", i) for i in nodes[name].input]
    if set(needed.values()) & {"Switch", "Merge"}:
        return sorted(targets)
    library = {f.signature.name for f in case.graph_def.library.function}
    stateless = {n for n, op in needed.items() if op not in UNASKED and op not in library
                 and not op_def_registry.get(op).is_stateful}
    return sorted(targets | stateless)


def run_lockstep(program, cases, directory, everything, report):
    """Runs what can be imported; cases that cannot are reported and left out."""
    while cases:
        write(cases, directory, everything)
        graph = os.path.join(directory, "graph.pb")
        checked = subprocess.run([program, "check", graph, "--json"], stdout=subprocess.PIPE)
        bad = {}
        for p in json.loads(checked.stdout or b'{"problems": []}').get("problems", []):
            where = p["nodes"] or re.findall(r"'(c\d+/[^']*)'", p["text"])[:1]
            for node in where:
                i = re.match(r"c(\d+)[/_]", node)
                if i:
                    bad.setdefault(int(i.group(1)), p["text"])
        if bad:
            for i, text in bad.items():
                report(cases[i], "cannot be imported: " + text)
            cases = [c for i, c in enumerate(cases) if i not in bad]
            continue
        out = os.path.join(directory, "out")
        shutil.rmtree(out, ignore_errors=True)
        done = subprocess.run([program, "run", "--graph", graph, "--case",
                               os.path.join(directory, "case.json"), "--out", out],
                              stderr=subprocess.PIPE, timeout=300)
        if done.returncode != 0:
            error = done.stderr.decode("utf-8", "replace").strip()
            print("  lockstep run ended with %d: %s" % (done.returncode, error[:400]))
            step = len(os.listdir(out)) - 1 if os.path.isdir(out) else 0
            if done.returncode < 0:  # a signal: leave out the case that ran
                n = 0
                for i, case in enumerate(cases):
                    n += len(case.steps)
                    if n > step + 1 or i == len(cases) - 1:
                        report(case, "ends the program with signal %d (or a neighbour does)" % -done.returncode)
                        cases = cases[:i] + cases[i + 1:]
                        break
                continue
            for case in cases:
                report(case, "was not run")
            return []
        return cases
    return cases


def sweep_family(program, family, pattern, directory, verbose):
    sweep = Sweep(family)
    importlib.import_module("op_cases." + family).cases(sweep)
    sweep.prepare(pattern)
    failed, reported = {}, set()

    def report(case, text):
        reported.add("%s/%s" % (family, case.name))
        known = KNOWN.get("%s/%s" % (family, case.name))
        if case.name not in failed and not known:
            failed[case.name] = text
            print("FAIL %s/%s: %s" % (family, case.name, text), flush=True)

    total = len(sweep.cases)
    ran = sweep.cases
    # What is a target as well may be fused and moved, but has to stay sound.
    for everything, where in ((False, ""), (True, "when every node is a target: ")):
        ran = run_lockstep(program, ran, directory, everything, report) if ran else []
        n = 0
        for i, case in enumerate(ran):
            for step, wanted in zip(case.steps, case.wanted):
                different = check_step(os.path.join(directory, "out", "step%d" % n),
                                       step, wanted, "c%d/" % i, case)
                n += 1
                if different:
                    report(case, where + different)
    ran_names = {"%s/%s" % (family, case.name) for case in ran}
    for name in sorted((ran_names & set(KNOWN)) - reported):
        print("  %s differs no longer: take it out of op_cases.KNOWN" % name)
    if verbose or failed:
        print("%s: %d of %d cases differ" % (family, len(failed), total), flush=True)
    return total, len(failed)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("program", metavar="LOCKSTEP")
    p.add_argument("-f", "--family", action="append", help="only this module of op_cases")
    p.add_argument("-k", metavar="PATTERN", help="only cases with this in family/name")
    p.add_argument("--keep", metavar="DIR", help="keep graphs and results there")
    p.add_argument("-v", action="store_true", help="name families without differences too")
    a = p.parse_args()
    here = os.path.dirname(os.path.abspath(__file__))
    families = a.family or sorted(m.name for m in pkgutil.iter_modules([os.path.join(here, "op_cases")]))
    root = a.keep or tempfile.mkdtemp(prefix="lockstep-sweep-")
    total = failed = 0
    try:
        for family in families:
            directory = os.path.join(root, family)
            os.makedirs(directory, exist_ok=True)
            n, bad = sweep_family(os.path.abspath(a.program), family, a.k, directory, a.v)
            total, failed = total + n, failed + bad
    finally:
        if not a.keep:
            shutil.rmtree(root, ignore_errors=True)
    print("%d cases, %d differ" % (total, failed))
    return 1 if failed or not total else 0


if __name__ == "__main__":
    sys.exit(main())
