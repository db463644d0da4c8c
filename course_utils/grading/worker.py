"""The process beside the student's kernel, inside the sandbox: runs cells when told to, and says what came of it.

Started by `examine` as `python -I -m course_utils.grading.worker CONTROL EXAMINER`, the numbers of two inherited
sockets: the coordinator's, and the examiner's, which the kernel gets. Jobs come as frames, each with one answer:

    {"do": "run", "source": "…", "seconds": 60, "most": 1000}
    {"do": "serve", "turn": 3, "seconds": 60, "most": 1000}     the kernel answers the examiner until it ends the turn

Nothing here is trusted: the student's code can do to this process what it likes.
"""

import contextlib
import os
import runpy
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.connect import write_connection_file

from course_utils.grading.confine import name_process
from course_utils.grading.wall.channel import Channel, Closed

__all__ = ["Kernel", "main"]

SERVE = (
    "__import__('course_utils.grading.wall.agent', fromlist=['serve']).serve({}, {}, get_ipython().user_ns)"
)
PATIENCE_S = 5
ITEM = 100  # characters that an output counts for besides its text
LEFT_OUT = "\n[more output was left out]\n"


class Kernel:
    """The student's kernel: an ordinary ipykernel whose sockets are files of this sandbox, forked from this process."""

    def __init__(self, examiner: int, control: Channel) -> None:
        self.examiner = examiner
        folder = tempfile.mkdtemp(prefix="kernel-")
        connection = f"{folder}/kernel.json"
        write_connection_file(connection, transport="ipc", ip=f"{folder}/socket")
        self.pid = os.fork()
        if self.pid == 0:
            control.end.close()
            _become_kernel(connection)
        os.close(examiner)  # so that the examiner notices when the kernel ends
        self.client = BlockingKernelClient(connection_file=connection)
        self.client.load_connection_file()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.messages: list[dict[str, Any]] = []

    def run(self, source: str, seconds: float, most: int) -> dict[str, Any]:
        """Outputs in the form of a notebook, and how it ended: "ok", "error", "timeout" or "died"."""
        started = time.monotonic()
        outputs = _Outputs(most)
        message = self.client.execute(source, allow_stdin=False, stop_on_error=False)
        ended = self._follow(message, outputs, started + seconds)
        if ended == "timeout":
            # By a message: a signal would go to the whole sandbox.
            self.client.control_channel.send(self.client.session.msg("interrupt_request", {}))
            if self._follow(message, outputs, time.monotonic() + PATIENCE_S) == "timeout":
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.pid, signal.SIGKILL)
                ended = "stuck"
        return {"ended": ended, "outputs": outputs.items, "seconds": round(time.monotonic() - started, 3)}

    def serve(self, turn: int, seconds: float, most: int) -> dict[str, Any]:
        """As `run`, for the time in which the kernel answers the examiner."""
        return self.run(SERVE.format(self.examiner, turn), seconds, most)

    def _follow(self, message: str, outputs: "_Outputs", deadline: float) -> str:
        """Collect outputs until the kernel is idle again."""
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return "timeout"
            try:
                said = self.client.get_iopub_msg(timeout=min(left, 0.5))
            except Empty:
                if self._has_ended():
                    return "died"
                continue
            if said["parent_header"].get("msg_id") != message:
                continue
            if said["msg_type"] == "status" and said["content"]["execution_state"] == "idle":
                return "error" if outputs.error else "ok"
            outputs.add(said["msg_type"], said["content"])

    def _has_ended(self) -> bool:
        with contextlib.suppress(ChildProcessError):
            return os.waitpid(self.pid, os.WNOHANG) != (0, 0)
        return True


def _become_kernel(connection: str) -> None:
    """Never returns: this process is a kernel that `python -m ipykernel_launcher` might have started."""
    status = 1
    try:
        os.setsid()
        name_process("kernel")
        sys.argv = ["ipykernel_launcher", "-f", connection, "--HistoryManager.enabled=False"]
        # Files beside the notebook can be imported, but take no installed package's place.
        sys.argv.append("--IPKernelApp.exec_lines=import sys; sys.path.append('')")
        if "matplotlib" in sys.modules:  # else it reads the kernel's own setting when it is imported
            matplotlib: Any = sys.modules["matplotlib"]
            matplotlib.rcParams._set("backend", "module://matplotlib_inline.backend_inline")
        runpy.run_module("ipykernel_launcher", run_name="__main__", alter_sys=True)
        status = 0
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(status)


class _Outputs:
    """Outputs in nbformat's form, up to so many bytes."""

    def __init__(self, most: int) -> None:
        self.items: list[dict[str, Any]] = []
        self.left, self.error = most, False

    def add(self, kind: str, content: dict[str, Any]) -> None:
        if kind == "clear_output":
            self.items.clear()
        made = getattr(self, f"_{kind}", lambda content: None)(content)
        if made is None or (self.left <= 0 and kind != "stream"):
            return
        self.left -= ITEM if kind == "stream" else ITEM + len(repr(made))  # a stream has counted its text
        if self.left <= 0 and kind != "stream":
            made = {"output_type": "stream", "name": "stdout", "text": LEFT_OUT}
        self.items.append(made)

    def _stream(self, content: dict[str, Any]) -> dict[str, Any] | None:
        if self.left <= 0:
            return None
        text, name = content["text"][: self.left], content["name"]
        self.left -= len(text)
        if self.left <= 0:
            text += LEFT_OUT
        last = self.items[-1] if self.items else {}
        if last.get("output_type") == "stream" and last["name"] == name:
            last["text"] += text
            return None
        return {"output_type": "stream", "name": name, "text": text}

    def _display_data(self, content: dict[str, Any]) -> dict[str, Any]:
        return {"output_type": "display_data", "data": content["data"], "metadata": content["metadata"]}

    def _execute_result(self, content: dict[str, Any]) -> dict[str, Any]:
        return {
            "output_type": "execute_result",
            "data": content["data"],
            "metadata": content["metadata"],
            "execution_count": None,
        }

    def _error(self, content: dict[str, Any]) -> dict[str, Any]:
        self.error = True
        keys = ("ename", "evalue", "traceback")
        return {"output_type": "error", **{key: content[key] for key in keys}}


def main() -> None:
    """Answer jobs until the coordinator closes its socket."""
    control = Channel.of_descriptor(int(sys.argv[1]), cap=64 << 20)
    start, _ = control.receive()
    work = Path(start["work"])
    if start["files"]:
        shutil.copytree(start["files"], work)
    work.mkdir(parents=True, exist_ok=True)
    if start["fonts"]:
        fonts = Path.home() / ".cache" / "matplotlib"
        fonts.mkdir(parents=True)
        shutil.copy(start["fonts"], fonts)
    os.chdir(work)
    os.environ["COURSE_SEED"] = start["seed"]
    if control.gone:  # whoever asked was killed while this process started
        return
    kernel = Kernel(int(sys.argv[2]), control)
    control.send({"ready": True})
    with contextlib.suppress(Closed):
        while True:
            job, _ = control.receive()
            control.send(getattr(kernel, job.pop("do"))(**job))


if __name__ == "__main__":
    main()
