"""Starts a server, in place of this process, that cannot outlive its parent process.

usage: launch.py SIGNAL USER PARENT PROGRAM ARGUMENT...

The kernel sends SIGNAL to the server when its parent dies in any way. USER is the number of the user and group to run as,
or "-" for no change. PARENT is the process id of the parent: if the parent is already dead, the script ends.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

death_signal, user, parent, *command = sys.argv[1:]
if user != "-":
    # The other user may have no access to the current folder.
    os.chdir("/")
    os.setgroups([])
    os.setgid(int(user))
    os.setuid(int(user))
# The death signal is set after the change of user, which resets it. It stays set after exec.
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
    sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
if os.getppid() != int(parent):
    sys.exit("the parent is gone")
# Python ignores these signals, and a program started with exec would keep ignoring them.
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
os.execvp(command[0], command)
