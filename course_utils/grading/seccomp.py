"""The system calls that a sandboxed process may not make, as a filter that bubblewrap loads.

>>> len(program("x86_64")) % 8
0

A filter is a small program of the classic Berkeley Packet Filter (`man 2 seccomp`), made here by hand: it saves a
library that few machines have. It forbids reading other processes, new namespaces, mounts, keys, and parts of
the kernel that a notebook has no use for. bubblewrap's namespaces protect without it; this is a second fence.
"""

import errno
import platform
import struct

__all__ = ["program"]

ALLOW, ERRNO = 0x7FFF0000, 0x00050000
LOAD, EQUAL, LEAST, ANY_BIT, RETURN = (
    0x20,
    0x15,
    0x35,
    0x45,
    0x06,
)  # LD|W|ABS, JMP|JEQ, JMP|JGE, JMP|JSET, RET
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data (little-endian)
NEW_USER = 0x10000000

# name: (number on x86_64, number on aarch64), from the kernel's tables
FORBIDDEN = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40),
    "umount2": (166, 39), "pivot_root": (155, 41), "move_mount": (429, 429), "open_tree": (428, 428),
    "fsopen": (430, 430), "fsmount": (432, 432), "mount_setattr": (442, 442), "chroot": (161, 51),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "add_key": (248, 217),
    "request_key": (249, 218), "keyctl": (250, 219), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "open_by_handle_at": (304, 265), "init_module": (175, 105),
    "finit_module": (313, 273), "kexec_load": (246, 104), "swapon": (167, 224), "reboot": (169, 142),
    "acct": (163, 89), "quotactl": (179, 60), "personality": (135, 92),
    # memory that no limit of a process counts
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "msgget": (68, 186),
    "semget": (64, 190),
}  # fmt: skip
CLONE, CLONE3, SOCKET, SOCKETPAIR = (56, 220), (435, 435), (41, 198), (53, 199)
FAMILIES = (
    1,
    2,
    10,
    16,
)  # Unix, the internet's (there is no network), netlink; no family that reaches the host
OTHER_NUMBERS = 0x40000000  # the same calls again, for 32-bit pointers on x86_64
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


def program(machine: str = "") -> bytes | None:
    """The filter for this kind of machine (`platform.machine()`); None for one whose calls are not listed."""
    machine = machine or platform.machine()
    if machine not in MACHINES:
        return None
    column, architecture = MACHINES[machine]
    denied = ERRNO | errno.EPERM
    lines = [
        _line(LOAD, ARCHITECTURE),
        _line(EQUAL, architecture, yes=1),
        _line(RETURN, denied),  # calls of another architecture have other numbers
        _line(LOAD, NUMBER),
        _line(LEAST, OTHER_NUMBERS, no=1),
        _line(RETURN, ERRNO | errno.ENOSYS),
        # glibc falls back to `clone`, whose flags can be looked at; those of `clone3` cannot.
        *_forbid(CLONE3[column], ERRNO | errno.ENOSYS),
        *(line for numbers in FORBIDDEN.values() for line in _forbid(numbers[column], denied)),
        _line(EQUAL, CLONE[column], no=4),
        _line(LOAD, FIRST_ARGUMENT),
        _line(ANY_BIT, NEW_USER, no=1),
        _line(RETURN, denied),
        _line(RETURN, ALLOW),
        _line(EQUAL, SOCKET[column], yes=1),
        _line(EQUAL, SOCKETPAIR[column], no=2 + len(FAMILIES)),
        _line(LOAD, FIRST_ARGUMENT),
        *(_line(EQUAL, family, yes=len(FAMILIES) - i) for i, family in enumerate(FAMILIES)),
        _line(RETURN, ERRNO | errno.EAFNOSUPPORT),
        _line(RETURN, ALLOW),
    ]
    return b"".join(lines)


def _forbid(number: int, answer: int) -> list[bytes]:
    return [_line(EQUAL, number, no=1), _line(RETURN, answer)]


def _line(code: int, operand: int, yes: int = 0, no: int = 0) -> bytes:
    """One instruction: `yes` and `no` are how many to skip when a comparison holds or not."""
    return struct.pack("<HBBI", code, yes, no, operand)
