"""What stands between "run this" and the command itself; run alone as ``python -I -S launcher.py FD STATUS_FD``.

It reads its orders from descriptor FD, prepares the process, compares CLOCK_BOOTTIME with the lease's deadline as the
very last thing before exec, and gives up when that has passed. What it has to say goes to a status pipe that exec
closes: an empty status is a confirmed exec. It imports nothing of watchdogd and as little as it can, because every
tool call waits for it.
"""

import ctypes
import marshal
import os
import resource
import sys
import time

ABORTED, FAILED = 125, 126
"""Exit statuses when the command was not run, as env(1) and nohup(1) number them."""

PR_SET_PDEATHSIG, SIGKILL, LAST_SIGNAL, SIG_SETMASK = 1, 9, 64, 2


def main(orders_fd: int, status_fd: int) -> None:
    """Never returns: the command takes this process over, or it exits with the reason on the status pipe."""
    try:
        os.set_inheritable(status_fd, False)
        with os.fdopen(orders_fd, "rb") as source:
            orders = marshal.load(source)  # noqa: S302 - a memory file of the very process that started this one
        prepare(orders)
        program, argv, env, until = orders["argv"][0], orders["argv"], orders["env"], orders["until_boot_s"]
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        if now >= until:
            say(status_fd, {"aborted_late_s": now - until})
            os._exit(ABORTED)
        os.execve(program, argv, env)  # noqa: S606 - this is what it is for
    except BaseException as why:  # noqa: BLE001 - whatever went wrong, the worker must hear that nothing ran
        say(status_fd, {"failed": f"{type(why).__name__}: {why}"})
    os._exit(FAILED)


def prepare(orders: dict) -> None:  # type: ignore[type-arg]
    """Session, death with the parent, cgroups, limits, signals, directory."""
    libc = ctypes.CDLL(None, use_errno=True)
    os.setsid()
    if libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_PDEATHSIG")
    if os.getppid() != orders["parent"]:  # it died before the line above: nobody is left to watch this
        raise ProcessLookupError("the worker is gone")
    for path in orders["cgroups"]:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        os.write(fd, b"0")
        os.close(fd)
    for name, most in orders["limits"].items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))
    # Python ignores SIGPIPE ("yes | head" would complain, not end), nohup SIGHUP: a command inherits none of that.
    for number in range(1, LAST_SIGNAL + 1):
        libc.signal(number, None)
    libc.sigprocmask(SIG_SETMASK, ctypes.byref((ctypes.c_ulong * 16)()), None)
    os.umask(0o022)
    os.chdir(orders["cwd"])


def say(status_fd: int, what: dict) -> None:  # type: ignore[type-arg]
    """Tells the worker; if it is gone this fails, and so does this process with it."""
    os.write(status_fd, marshal.dumps(what))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
