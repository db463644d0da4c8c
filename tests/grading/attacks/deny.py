"""Attacks that keep the class from being graded. All are bounded, so that stock nbgrader survives on this machine.

Where a limit is to be reached, the answers are right if it was not: those attacks must earn 0.
"""

import io
import os
import zipfile

from attacks.kit import Attempt, collection

attacks, attack = collection("deny")


# -- time --


@attack("infinite loops in many cells and in every function")
def loops(it: Attempt) -> None:
    for _ in range(2):
        it.cell("while True: pass")
    it.everywhere("while True: pass")


@attack("a loop that swallows interrupts")
def swallowed_interrupts(it: Attempt) -> None:
    it.cell("""
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
end = time.monotonic() + 60
while time.monotonic() < end:
    try:
        while time.monotonic() < end: pass
    except BaseException:
        pass""")
    it.right()


@attack("a loop in C that no interrupt stops, inside a test")
def loop_in_c(it: Attempt) -> None:
    it.right("import re; re.match('(a+)+$', 'a' * 34 + 'b')")


@attack("waiting for input")
def waiting_for_input(it: Attempt) -> None:
    it.right("input('your name? ')")


@attack("a function that takes just less than its time, at every call", earns=8, at_most=True)
def slow(it: Attempt) -> None:
    it.right("import time; time.sleep(3)")


# -- memory --


@attack("a memory balloon of 3 GiB")
def balloon(it: Attempt) -> None:
    it.cell("held = [b'x' * (64 << 20) for _ in range(48)]")
    it.right("assert len(held) == 48")


@attack("a memory balloon of 3 GiB in shared memory")
def shared_balloon(it: Attempt) -> None:
    it.cell("""
import mmap, time
shared = mmap.mmap(-1, 3 << 30)
for _ in range(48):
    shared.write(b'x' * (64 << 20))
time.sleep(1)""")
    it.right("assert shared[-1] == 120")


@attack("a memory balloon of 3 GiB in six processes")
def balloons(it: Attempt) -> None:
    it.cell("""
import subprocess, time
code = f"held = [b'x' * (64 << 20) for _ in range(8)]; import time; print(1, flush=True); time.sleep(8)  # {MARK}"
children = [subprocess.Popen([sys.executable, '-c', code], stdout=-1) for _ in range(6)]
ready = [child.stdout.readline() for child in children]
time.sleep(1)""")
    it.right("assert all(ready) and all(child.poll() is None for child in children)")


@attack("files of 2 GiB in folders that are kept in memory")
def files_in_memory(it: Attempt) -> None:
    it.cell("""
import time
names = [f'/dev/shm/{MARK}-a', f'/dev/shm/{MARK}-b', f'/tmp/{MARK}', f'{os.getcwd()}/big']
for name in names:
    with open(name, 'wb') as file:
        for _ in range(8):
            file.write(b'x' * (64 << 20))
time.sleep(1)""")
    it.right("assert sum(os.path.getsize(name) for name in names) == 2 << 30")


# -- processes and threads --


@attack("a fork bomb of 400 processes")
def fork_bomb(it: Attempt) -> None:
    it.cell("""
import time
started = 0
for _ in range(400):
    if os.fork() == 0:
        time.sleep(4)
        os._exit(0)
    started += 1""")
    it.right("assert started == 400")


@attack("a thread bomb of 2,000 threads")
def thread_bomb(it: Attempt) -> None:
    it.cell("""
import threading, time
for _ in range(2000):
    threading.Thread(target=time.sleep, args=(4,), daemon=True).start()
many = threading.active_count()""")
    it.right("assert many > 2000")


# -- disk --


@attack("a sparse file of a terabyte, made while grading")
def sparse_file(it: Attempt) -> None:
    it.cell("""
import resource
try:
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
except (ValueError, OSError):
    pass
with open('big', 'wb') as file:
    file.truncate(1 << 40)""")
    it.right("assert os.path.getsize('big') == 1 << 40")


@attack("a sparse file of a terabyte beside the notebook", earns=8)
def submitted_sparse_file(it: Attempt) -> None:
    it.right()
    os.truncate(it.file("big.bin", b""), 1 << 40)


@attack("20,000 files made while grading", earns=8)
def inodes(it: Attempt) -> None:
    it.cell("for n in range(20_000): open(f'f{n}', 'w').close()")
    it.right()


@attack("5,000 files beside the notebook", earns=8)
def submitted_inodes(it: Attempt) -> None:
    it.right()
    for n in range(5_000):
        it.file(f"many/f{n}.txt", b"")


@attack("a zip bomb beside the notebook", earns=8)
def zip_bomb(it: Attempt) -> None:
    it.right()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as bomb:
        for n in range(10):
            bomb.writestr(f"{n}.ipynb", bytes(50 << 20))
    it.file("bomb.zip", made.getvalue())


# -- output --


@attack("30 MB on one line of output", earns=8)
def long_line(it: Attempt) -> None:
    it.cell("print('x' * 30_000_000)")
    it.right()


@attack("a million small messages", earns=8, at_most=True)
def many_messages(it: Attempt) -> None:
    it.cell("""
import time
end = time.monotonic() + 4
for n in range(1_000_000):
    print(n, flush=True)
    if time.monotonic() > end: break""")
    it.right()


@attack("outputs that are no outputs: wrong types on the kernel's own socket", earns=8, at_most=True)
def malformed_output(it: Attempt) -> None:
    it.cell("""
kernel = get_ipython().kernel
for kind, content in [
    ('display_data', {'data': 5, 'metadata': []}),
    ('execute_result', {'data': {'text/plain': {'a': 1}}, 'metadata': 3, 'execution_count': 'x'}),
    ('stream', {'name': 7, 'text': ['a', 1]}),
    ('error', {'ename': 1, 'evalue': None, 'traceback': 'x'}),
]:
    kernel.session.send(kernel.iopub_socket, kind, content, parent=kernel.get_parent('shell'))""")
    it.right()


@attack("a kernel that never says that it is idle again", earns=8, at_most=True)
def never_idle(it: Attempt) -> None:
    it.cell("""
session = get_ipython().kernel.session
send = session.send
session.send = lambda *args, **kwargs: None if 'status' in args else send(*args, **kwargs)""")
    it.right()


@attack("output that UTF-8 cannot hold", earns=8)
def surrogate_output(it: Attempt) -> None:
    it.cell("print('\\udcff\\ud800'); display('\\ud800')")
    it.right()


# -- returned values --


@attack("400 MB returned")
def huge_value(it: Attempt) -> None:
    it.everywhere("", "return 'x' * 400_000_000")


@attack("iterators that never end, and ranges of a trillion", earns=0)
def endless_value(it: Attempt) -> None:
    it.everywhere("import itertools", "return itertools.count() if x == 2 else range(10**12)")


@attack("an error with a text of 100 MB that takes for ever to write")
def huge_error(it: Attempt) -> None:
    it.everywhere("""
class Tiresome(Exception):
    def __str__(self):
        return 'x' * 100_000_000
    __repr__ = __str__
raise Tiresome""")


# -- the process --


@attack("a segmentation fault in a function")
def segfault(it: Attempt) -> None:
    it.everywhere("import ctypes; ctypes.string_at(0)")


@attack("the parent process killed")
def killed_parent(it: Attempt) -> None:
    it.cell("""
import signal
if os.getppid() > 1: os.kill(os.getppid(), signal.SIGKILL)""")


@attack("all processes killed that it may kill", stock=False)
def killed_all(it: Attempt) -> None:
    it.everywhere("import os; os.kill(-1, 9)")


@attack("the database held")
def held_database(it: Attempt) -> None:
    code = (
        f"import sqlite3, time  # {it.marker}\n"
        f"base = sqlite3.connect({str(it.course / 'gradebook.db')!r}, isolation_level=None)\n"
        "base.execute('begin exclusive'); time.sleep(25)"
    )
    it.cell(
        f"import subprocess, time; subprocess.Popen([sys.executable, '-c', {code!r}], start_new_session=True)"
    )
    it.cell("time.sleep(1)")
