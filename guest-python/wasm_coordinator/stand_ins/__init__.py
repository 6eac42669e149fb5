"""Modules that need a C library which is not here, as far as imports need them.

Much pure Python code imports them and never comes to use them. They have the
names that they have elsewhere (`library`, `preload`). `_bz2` and `_lzma` are
whole: the C library is in `_streams`.
"""
