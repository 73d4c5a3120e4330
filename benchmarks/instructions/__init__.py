"""Instructions of one evaluation, counted by callgrind, a measure without noise: a file per method.

The method's module has `works()`: names and callables. Each is executed under valgrind in a new
process with some repeats and with none; the difference leaves out starting Python and loading.
"""
