# SPDX-License-Identifier: Apache-2.0
"""Tables: filled once, from tensors and files, and those that change."""
import os
import tempfile

import tensorflow.compat.v1 as tf

from op_sweep_steps import Steps

R = tf.raw_ops


def file_of(text):
    handle, path = tempfile.mkstemp(suffix=".txt")
    with os.fdopen(handle, "w") as f:
        f.write(text)
    return path


def cases(s):
    types = {"string": ["a", "b", "c"], "int64": [5, -6, 7], "int32": [5, -6, 7], "float32": [0.5, 1.5, 2.5],
             "float64": [0.5, 1.5, 2.5], "bool": [True, False, True]}
    for key, value in [("string", "int64"), ("int64", "string"), ("int64", "int64"), ("string", "float32"), ("int32", "int32"),
                       ("string", "string"), ("int64", "float32"), ("string", "bool")]:
        def fixed(key=key, value=value):
            h = R.HashTableV2(key_dtype=tf.as_dtype(key), value_dtype=tf.as_dtype(value))
            init = R.InitializeTableV2(table_handle=h, keys=s.arg(types[key][:2], key), values=s.arg(types[value][:2], value))
            find = R.LookupTableFindV2(table_handle=h, keys=s.arg(types[key][::-1], key), default_value=s.arg(types[value][2], value))
            return Steps([[find], [init], [find, R.LookupTableSizeV2(table_handle=h)], [init], [find]])
        s.add("HashTable_%s_%s" % (key, value), fixed)

        def changing(key=key, value=value):
            h = R.MutableHashTableV2(key_dtype=tf.as_dtype(key), value_dtype=tf.as_dtype(value))
            k, v = s.arg(types[key], key), s.arg(types[value], value)
            find = R.LookupTableFindV2(table_handle=h, keys=k, default_value=v[0])
            by_key = R.LookupTableFindV2(table_handle=h, keys=k, default_value=v[::-1])
            size = R.LookupTableSizeV2(table_handle=h)
            return Steps([[find, size], [R.LookupTableInsertV2(table_handle=h, keys=k[:2], values=v[1:])], [find, by_key, size],
                          [R.LookupTableRemoveV2(table_handle=h, keys=k[1:])], [find, by_key, size] +
                          list(R.LookupTableExportV2(table_handle=h, Tkeys=k.dtype, Tvalues=v.dtype)),
                          [R.LookupTableImportV2(table_handle=h, keys=k[2:], values=v[:1])], [find, size]])
        s.add("MutableHashTable_%s_%s" % (key, value), changing)

    def tensors():
        h = R.MutableHashTableOfTensorsV2(key_dtype=tf.string, value_dtype=tf.float32, value_shape=[2])
        find = R.LookupTableFindV2(table_handle=h, keys=s.arg([["a"], ["z"]], "string"), default_value=s.arg([1.0, 2.0]))
        return Steps([[find], [R.LookupTableInsertV2(table_handle=h, keys=s.arg(["a", "b"], "string"), values=s.rand([2, 2]))], [find]])
    s.add("tensors", tensors)

    def dense():
        h = R.MutableDenseHashTableV2(empty_key=tf.constant(0, tf.int64), deleted_key=tf.constant(-1, tf.int64), value_dtype=tf.float32)
        find = R.LookupTableFindV2(table_handle=h, keys=s.arg([3, 4], "int64"), default_value=s.arg(-1.0))
        return Steps([[find], [R.LookupTableInsertV2(table_handle=h, keys=s.arg([3], "int64"), values=s.rand([1]))], [find],
                      [R.LookupTableInsertV2(table_handle=h, keys=s.arg([0], "int64"), values=s.rand([1]))]])
    s.add("dense", dense)

    for name, text, key, value, dtypes, size in [
            ("words", "x y\nb\nd\n", -2, -1, (tf.string, tf.int64), -1), ("names", "a\nb\nc", -1, -2, (tf.int64, tf.string), -1),
            ("columns", "a\t1.5\nb\t-2\n", 0, 1, (tf.string, tf.float32), -1), ("some", "a\nb\n\n", -2, -1, (tf.string, tf.int64), 2),
            ("empty_line", "a\n\nb\n", -2, -1, (tf.string, tf.int64), -1), ("too_few", "a\n", -2, -1, (tf.string, tf.int64), 3),
            ("no_number", "a\tb\n", 0, 1, (tf.string, tf.int64), -1), ("no_column", "a\n", 5, -1, (tf.string, tf.int64), -1),
            ("nothing", "", -2, -1, (tf.string, tf.int64), -1), ("equal_keys", "a\na\n", -2, -1, (tf.string, tf.int64), -1)]:
        def from_file(text=text, key=key, value=value, dtypes=dtypes, size=size):
            h = R.HashTableV2(key_dtype=dtypes[0], value_dtype=dtypes[1])
            init = R.InitializeTableFromTextFileV2(table_handle=h, filename=file_of(text), key_index=key, value_index=value, vocab_size=size)
            keys = s.arg(["a", "b", "x y"], "string") if dtypes[0] == tf.string else s.arg([2, 0, 9], "int64")
            missing = tf.constant("none") if dtypes[1] == tf.string else tf.constant(-1, dtypes[1])
            return Steps([[init], [R.LookupTableFindV2(table_handle=h, keys=keys, default_value=missing)]])
        s.add("file_" + name, from_file)

    def shared():
        a = R.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64, shared_name="one")
        b = R.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64, shared_name="one")
        c = R.HashTableV2(key_dtype=tf.int64, value_dtype=tf.int64, shared_name="one")
        init = R.InitializeTableV2(table_handle=a, keys=s.arg(["a"], "string"), values=s.arg([3], "int64"))
        return Steps([[init], [R.LookupTableFindV2(table_handle=b, keys=s.arg(["a", "b"], "string"), default_value=s.arg(0, "int64"))],
                      [R.LookupTableSizeV2(table_handle=c)]])
    s.add("shared", shared)
