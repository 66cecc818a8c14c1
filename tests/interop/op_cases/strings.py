# SPDX-License-Identifier: Apache-2.0
"""Strings: joins, formats, patterns, numbers."""
import tensorflow.compat.v1 as tf

R = tf.raw_ops


def cases(s):
    t = lambda v: s.arg(v, "string")
    s.add("StringJoin", lambda: R.StringJoin(inputs=[t(["a", "b"]), t("-"), t(["c", "d"])], separator="."))
    s.add("StringJoin_one", lambda: R.StringJoin(inputs=[t("a")]))
    s.add("StringJoin_bad", lambda: R.StringJoin(inputs=[s.arg(["a", "b"], "string", known=False), s.arg(["a"], "string", known=False)]))
    for dt in s.floats + s.ints + ["bool", "complex64"]:
        s.add("AsString_%s" % dt, lambda dt=dt: R.AsString(input=s.arg([0, 1, 100] if dt != "bool" else [True, False], dt)))
    s.add("AsString_options", lambda: [R.AsString(input=s.arg([3.14159, -2.5]), precision=2), R.AsString(input=s.arg([3.14159], "float64"), scientific=True),
                                       R.AsString(input=s.arg([3.14159]), shortest=True), R.AsString(input=s.arg([7], "int32"), width=5, fill="0"),
                                       R.AsString(input=s.arg([7, -7], "int64"), width=6, fill="-"), R.AsString(input=s.arg([float("nan"), float("inf")]))])
    s.add("StringFormat", lambda: [tf.strings.format("x = {}, y = {}", (s.arg([1, 2, 3], "int32"), s.arg([[1.5, 2], [3, 4]]))),
                                   tf.strings.format("{}", s.arg(list(range(20)), "int64")), tf.strings.format("{}", t(["a", "b"])), tf.strings.format("{}", s.arg(2.5))])
    s.add("ReduceJoin", lambda: [R.ReduceJoin(inputs=t([["a", "b"], ["c", "d"]]), reduction_indices=tf.constant(0), separator="+"),
                                 R.ReduceJoin(inputs=t([["a", "b"], ["c", "d"]]), reduction_indices=tf.constant([1, 0])),
                                 R.ReduceJoin(inputs=t([["a", "b"], ["c", "d"]]), reduction_indices=tf.constant([-1]), keep_dims=True)])
    s.add("Substr", lambda: [R.Substr(input=t(["hello", "world"]), pos=tf.constant(1), len=tf.constant(3)),
                             R.Substr(input=t(["hello", "world"]), pos=tf.constant([-2, 0]), len=tf.constant([9, 1])),
                             R.Substr(input=t("h\u00e9llo"), pos=tf.constant(1), len=tf.constant(1), unit="UTF8_CHAR")])
    s.add("Substr_bad", lambda: R.Substr(input=t("abc"), pos=s.arg(4, "int32"), len=tf.constant(1)))
    s.add("StringLength", lambda: [R.StringLength(input=t(["", "abc", "h\u00e9"])), R.StringLength(input=t("h\u00e9"), unit="UTF8_CHAR")])
    s.add("case", lambda: [R.StringUpper(input=t(["aBc1", ""])), R.StringLower(input=t("AbC")), R.StringStrip(input=t(["  a b\n", "x"]))])
    s.add("regex", lambda: [R.RegexReplace(input=t(["aaa", "bab"]), pattern=t("a+"), rewrite=t("<\\0>")),
                            R.StaticRegexReplace(input=t(["a1b22"]), pattern="[0-9]", rewrite="#", replace_global=False),
                            R.RegexFullMatch(input=t(["abc", "abcd"]), pattern=t("a.c")), R.StaticRegexFullMatch(input=t(["x.y", "y"]), pattern="x\\..*")])
    s.add("regex_bad", lambda: R.RegexFullMatch(input=t("a"), pattern=t("(")))
    for dt in ("float32", "float64", "int32", "int64"):
        s.add("StringToNumber_%s" % dt, lambda dt=dt: R.StringToNumber(string_tensor=t(["12", " -7 ", "0"]), out_type=tf.as_dtype(dt)))
    s.add("StringToNumber_float", lambda: R.StringToNumber(string_tensor=t(["1e3", "inf", "-2.5"]), out_type=tf.float32))
    s.add("StringToNumber_bad", lambda: R.StringToNumber(string_tensor=t(["12x"]), out_type=tf.int32))
    s.add("StringSplitV2", lambda: [R.StringSplitV2(input=t(["a b c", "", "d"]), sep=t(" ")).values, R.StringSplitV2(input=t([" a  b "]), sep=t("")).values,
                                    R.StringSplitV2(input=t(["a,b,c"]), sep=t(","), maxsplit=1).values])
    s.add("StringSplitV2_all", lambda: list(R.StringSplitV2(input=t(["a b", "c"]), sep=t(" "))))
    s.add("hash", lambda: [R.StringToHashBucketFast(input=t(["a", "b", "hello world"]), num_buckets=1000),
                           R.StringToHashBucketStrong(input=t(["a", "b", "hello world"]), num_buckets=1 << 60, key=[7, -9]),
                           R.StringToHashBucket(string_tensor=t(["a", "b", "hello world"]), num_buckets=1 << 60)])
    s.add("base64", lambda: [R.EncodeBase64(input=t(["a", "ab", "abc", ""])), R.EncodeBase64(input=t("a"), pad=True), R.DecodeBase64(input=t(["YWI", "YWJj"]))])
    s.add("base64_bad", lambda: R.DecodeBase64(input=t("$")))
    s.add("DecodeRaw", lambda: [R.DecodeRaw(bytes=t(["abcd", "efgh"]), out_type=d) for d in (tf.uint8, tf.int16, tf.float32)])
    s.add("DecodeRaw_bad", lambda: R.DecodeRaw(bytes=t(["abc"]), out_type=tf.int16))
    s.add("unsorted_segment_join", lambda: R.UnsortedSegmentJoin(inputs=t(["a", "b", "c"]), segment_ids=s.arg([1, 0, 1], "int32"), num_segments=tf.constant(3), separator="/"))
    s.add("gather_strings", lambda: tf.gather(t(["a", "b", "c"]), [2, 0]))
