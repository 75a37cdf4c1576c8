"""Runs a program under a seccomp filter, as systemd's SystemCallFilter= and Docker's profile do.

    seccomp.py allow NAME... -- PROGRAM ARGS   everything else is answered with EPERM
    seccomp.py deny NAME... -- PROGRAM ARGS    these are answered with EPERM

Names come from the kernel's header; those that this machine has no number for are passed over.
"""
import ctypes
import os
import re
import struct
import sys

HEADER = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, EPERM = 0x7FFF0000, 0x00050001
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2


def instruction(code, value, if_true=0, if_false=0):
    return struct.pack("HBBI", code, if_true, if_false, value)


with open(HEADER) as header:
    numbers = dict(re.findall(r"#define __NR_(\w+) (\d+)", header.read()))
end = sys.argv.index("--")
mode, names, program = sys.argv[1], sys.argv[2:end], sys.argv[end + 1 :]
match, other = {"allow": (ALLOW, EPERM), "deny": (EPERM, ALLOW)}[mode]

filter_ = [instruction(LOAD, 0)]  # the system call's number
for name in names:
    if name in numbers:
        filter_ += [instruction(JUMP_IF_EQUAL, int(numbers[name]), 0, 1), instruction(RETURN, match)]
filter_.append(instruction(RETURN, other))
code = ctypes.create_string_buffer(b"".join(filter_))
program_of_filter = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(filter_), ctypes.addressof(code)))

libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, MODE_FILTER, program_of_filter, 0, 0):
    sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")
os.execvp(program[0], program)
