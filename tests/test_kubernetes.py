"""What can be known of deploy/kubernetes/ without a cluster: that it is well formed, shut in, and consistent."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml
from manifests import KUBERNETES, VALUES, objects, pods
from traitlets.config import Config

from course_utils.hub import Class, roles

ROOT = KUBERNETES.parents[1]
PODS = pods()
PARTS = [(name, part) for name, pod in PODS.items() for part in pod["spec"]["containers"]]
EACH = pytest.mark.parametrize(("pod", "part"), PARTS, ids=[f"{name}-{part['name']}" for name, part in PARTS])
SECRETS = {"course-database", "dask-tls", "hub"}
# What the chart makes, by the labels that its pods have: proxy, the Hub, a student's server.
CHART = {
    name: {"namespace": "agai302", "metadata": {"labels": {"app": "jupyterhub", "component": name}}}
    for name in ("proxy", "hub", "singleuser-server")
}


def not_here(program: str, how: str) -> NoReturn:
    """Skips the test, or fails it in continuous integration, where everything is installed."""
    (pytest.fail if os.environ.get("COURSE_CI") else pytest.skip)(f"{program} is not installed: `{how}`")


# -- the objects --


@pytest.mark.parametrize("version", ["1.33", "1.37"])
def test_each_object_is_what_kubernetes_expects(version: str) -> None:
    if not importlib.util.find_spec("kubernetes_validate"):
        not_here("kubernetes-validate", "make .venv/.ci")
    import kubernetes_validate as schemas

    for one in objects():
        schemas.validate(one, version, strict=True)
    broken = objects("Deployment")[0]
    broken["spec"]["template"]["spec"]["hostUser"] = False  # for hostUsers
    with pytest.raises(schemas.ValidationError):
        schemas.validate(broken, version, strict=True)


def test_kustomize_builds_it() -> None:
    if not shutil.which("kubectl"):
        not_here("kubectl", "apt-get install kubernetes-client")
    done = subprocess.run(
        ["kubectl", "kustomize", str(KUBERNETES)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    assert len(built) == len(objects()) + 1, "all objects, and the ConfigMap that it makes"
    images = set(re.findall(r"image: (\S+)", done.stdout))
    assert images == {"registry.example.edu/agai302-grader:0.1.0", "postgres:17.6-bookworm"}


def test_every_file_is_listed() -> None:
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    assert set(listed) == {p.name for p in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml", "values.yaml"}


@EACH
def test_every_container_is_shut_in(pod: str, part: dict[str, Any]) -> None:
    spec, own = PODS[pod]["spec"], part["securityContext"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True and spec["securityContext"]["runAsUser"] > 0
    assert own["allowPrivilegeEscalation"] is False and own["readOnlyRootFilesystem"] is True
    assert own["capabilities"] == {"drop": ["ALL"]} and "privileged" not in own
    assert not any(spec.get(name) for name in ("hostNetwork", "hostPID", "hostIPC"))
    assert "memory" in part["resources"]["limits"]
    if pod == "dask-worker":  # what bubblewrap needs, and only together with users of the pod's own
        assert spec["hostUsers"] is False and own["procMount"] == "Unmasked"
    else:
        assert (
            spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"} and "procMount" not in own
        )


@EACH
def test_secrets_come_by_name_and_no_password_is_written_down(pod: str, part: dict[str, Any]) -> None:
    for one in part.get("env", []):
        if re.search("PASSWORD|TOKEN", one["name"]):
            assert one["valueFrom"]["secretKeyRef"]["name"] in SECRETS
    for volume in PODS[pod]["spec"]["volumes"]:
        assert volume.get("secret", {}).get("secretName", "dask-tls") in SECRETS
    mounted = {one["name"] for one in part["volumeMounts"]}
    claims = {"data"} if pod == "postgres" else set()
    assert mounted <= {volume["name"] for volume in PODS[pod]["spec"]["volumes"]} | claims


def test_a_worker_has_no_secret_but_its_certificate() -> None:
    spec = PODS["dask-worker"]["spec"]
    assert "env" not in spec["containers"][0]
    assert [volume.get("secret") for volume in spec["volumes"] if "emptyDir" not in volume] == [
        {"secretName": "dask-tls", "defaultMode": 0o440}
    ]


def test_each_service_has_pods_that_listen() -> None:
    for service in objects("Service"):
        chosen = [
            pod
            for pod in PODS.values()
            if pod["namespace"] == service["metadata"]["namespace"]
            and service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
        ]
        assert len(chosen) == 1, service["metadata"]["name"]
        listening = {
            port["containerPort"] for part in chosen[0]["spec"]["containers"] for port in part["ports"]
        }
        assert {port["port"] for port in service["spec"]["ports"]} <= listening
    for name, pod in PODS.items():
        made = next(
            one
            for one in objects()
            if one["kind"] in ("Deployment", "StatefulSet") and one["metadata"]["name"] == name
        )
        assert made["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


# -- who can reach whom --


def matches(peer: dict[str, Any], pod: dict[str, Any], home: str) -> bool:
    """Whether a peer of a policy in namespace `home` means this pod."""
    space = peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name", home)
    labels = peer.get("podSelector", {}).get("matchLabels", {})
    return pod["namespace"] == space and labels.items() <= pod["metadata"]["labels"].items()


def allows(one: dict[str, Any], other: dict[str, Any], port: int, direction: str) -> bool:
    """Whether policies let `one` be reached by (Ingress) or reach (Egress) `other` at that port."""
    word = {"Ingress": "from", "Egress": "to"}[direction]
    about = [
        policy
        for policy in objects("NetworkPolicy")
        if policy["metadata"]["namespace"] == one["namespace"]
        and direction in policy["spec"]["policyTypes"]
        and matches({"podSelector": policy["spec"]["podSelector"]}, one, one["namespace"])
    ]
    rules = [rule for policy in about for rule in policy["spec"][direction.lower()]]
    return not about or any(
        port in {entry["port"] for entry in rule["ports"]}
        and any(matches(peer, other, one["namespace"]) for peer in rule[word])
        for rule in rules
    )


def reach(one: str, other: str, port: int) -> bool:
    """Whether a connection can be made. What the chart says of its own pods is not looked at."""
    everybody = PODS | CHART
    return allows(everybody[one], everybody[other], port, "Egress") and allows(
        everybody[other], everybody[one], port, "Ingress"
    )


PORTS = {"postgres": [5432], "course": [9003, 9004], "dask-scheduler": [8786], "dask-worker": [8788, 8789]}
WAYS = {
    ("proxy", "course", 9003), ("proxy", "course", 9004), ("hub", "course", 9003), ("hub", "course", 9004),
    ("singleuser-server", "course", 9003), ("course", "postgres", 5432), ("hub", "postgres", 5432),
    ("course", "dask-scheduler", 8786), ("dask-worker", "dask-scheduler", 8786),
    ("dask-scheduler", "dask-worker", 8788), ("dask-scheduler", "dask-worker", 8789),
}  # fmt: skip


def test_exactly_these_connections_can_be_made() -> None:
    everybody = PODS | CHART
    found = {
        (one, other, port)
        for one in everybody
        for other, ports in PORTS.items()
        for port in ports
        if one != other and reach(one, other, port)
    }
    assert found == WAYS
    assert reach("course", "hub", 8081) and not reach("dask-worker", "hub", 8081)


def test_a_worker_may_reach_the_scheduler_and_nothing_else_not_even_names() -> None:
    policies = [one for one in objects("NetworkPolicy") if one["metadata"]["namespace"] == "agai302-grading"]
    everybody = [one for one in policies if one["spec"]["podSelector"] == {}]
    assert [one["spec"]["policyTypes"] for one in everybody] == [["Ingress", "Egress"]]
    assert [one["spec"]["egress"] for one in everybody] == [[]], "default: nothing"
    egress = [
        rule
        for one in policies
        if matches({"podSelector": one["spec"]["podSelector"]}, PODS["dask-worker"], "agai302-grading")
        for rule in one["spec"]["egress"]
    ]
    assert [(len(rule["to"]), rule["ports"]) for rule in egress] == [(1, [{"protocol": "TCP", "port": 8786}])]
    assert not [peer for rule in egress for peer in rule["to"] if "ipBlock" in peer]


# -- the Hub --


def test_the_values_name_what_the_manifests_make() -> None:
    hub = VALUES["hub"]
    assert hub["services"]["exchange"]["url"] == "http://course:9003"
    assert hub["services"]["agai302"]["url"] == "http://course:9004"
    asked = {
        one["valueFrom"]["secretKeyRef"]["key"]
        for part in PODS["course"]["spec"]["containers"]
        for one in part["env"]
        if one.get("valueFrom", {}).get("secretKeyRef", {}).get("name") == "hub"
    }
    assert asked == {f"hub.services.{name}.apiToken" for name in hub["services"]}
    assert hub["db"]["url"].endswith("@postgres:5432/hub") and "password" not in hub["db"]
    rule = VALUES["singleuser"]["networkPolicy"]["egress"]
    assert [(peer, entry["port"]) for r in rule for peer in r["to"] for entry in r["ports"]] == [
        ({"podSelector": {"matchLabels": {"app.kubernetes.io/name": "course"}}}, 9003)
    ]
    closed = VALUES["singleuser"]["networkPolicy"]["egressAllowRules"]
    assert {name for name, allowed in closed.items() if allowed} == {"dnsPortsKubeSystemNamespace"}


def test_the_hubs_own_lines_give_the_rights_of_a_class_on_one_machine() -> None:
    c = Config()
    c.JupyterHub.load_roles = [{"name": "jupyterhub-idle-culler"}]  # the chart's own, which has to stay
    c.Authenticator.allowed_users = {"mia"}
    for _, text in sorted(VALUES["hub"]["extraConfig"].items()):
        exec(text, {"c": c})
    assert c.JupyterHub.load_roles == [{"name": "jupyterhub-idle-culler"}, *roles(Class(Path("/x")))]
    assert c.JupyterHub.load_groups == {"formgrade-agai302": {"users": ["instructor"]}}
    assert c.Authenticator.allowed_users == {"mia", "instructor"}

    class Somebody:
        environment = VALUES["singleuser"]["extraEnv"]

        def __init__(self, name: str) -> None:
            self.user = type("User", (), {"name": name})

    for name, role in (("mia", "student"), ("instructor", "instructor")):
        spawner = Somebody(name)
        c.Spawner.pre_spawn_hook(spawner)
        first, everybodys = spawner.environment["JUPYTER_CONFIG_PATH"].split(":")
        assert (Path(first).name, Path(everybodys).name) == (role, "all") and Path(first).is_dir()
        assert spawner.environment["COURSE_EXCHANGE_URL"] == "http://course:9003/services/exchange"
        assert spawner.environment["COURSE_CACHE"] == "/opt/models"


# -- images --

FILES = sorted((KUBERNETES / "images").glob("*.Dockerfile"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_image_starts_from_a_version_and_copies_what_exists(path: Path) -> None:
    text = path.read_text().replace("\\\n", " ")
    stages = {"lab"}
    for base in re.findall(r"^FROM (\S+)", text, re.MULTILINE):
        assert base in stages or re.fullmatch(r"\S+:\d+\.\d+\.\d+\S*", base), f"{base} is not pinned"
    for words in re.findall(r"^COPY (.+)", text, re.MULTILINE):
        *sources, _ = words.split()
        for source in sources:
            assert (ROOT / source).exists(), source
            assert source.split("/")[0] in ignored_except(), f"{source} is not in what a build may see"
    assert not re.search(r"source/|tests/|gradebook", re.sub(r"^#.*", "", text, flags=re.MULTILINE))


def ignored_except() -> set[str]:
    """What .dockerignore lets in; everything else stays out."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] not in ("", "#")]
    assert lines[0] == "*"
    names = [line[1:] for line in lines if line.startswith("!")]
    return {path.name for name in names for path in ROOT.glob(name)}


def test_images_of_ours_do_not_run_as_root() -> None:
    text = (KUBERNETES / "images" / "course.Dockerfile").read_text()
    assert re.findall(r"^USER (.+)", text, re.MULTILINE) == ["1000"]
    assert "--uid 1000" in text and VALUES["singleuser"]["uid"] == 1000


def test_the_hubs_image_has_every_file_that_its_lines_import(tmp_path: Path) -> None:
    text = (KUBERNETES / "images" / "hub.Dockerfile").read_text()
    for words in re.findall(r"^COPY (.+)", text, re.MULTILINE):
        *sources, target = words.split()
        for source in sources:
            into = tmp_path / target.lstrip("/")
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, into, dirs_exist_ok=True)
            else:
                into.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, into)
    where = str(tmp_path / "opt/agai302")
    script = (
        "import course_utils.hub as h, course_utils.hub.kubernetes as k; print(h.CONF.is_dir(), k.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", script], cwd=where, capture_output=True, text=True,
        env={"PYTHONPATH": where, "PATH": os.environ["PATH"]}, timeout=60,
    )  # fmt: skip
    assert done.stdout.split() == ["True", f"{where}/course_utils/hub/kubernetes.py"], done.stderr


def test_dockerfiles_have_nothing_that_a_linter_knows_better(tmp_path: Path) -> None:
    linter = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if not linter:
        not_here("hadolint", "make .venv/.ci")
    (bad := tmp_path / "Dockerfile").write_text("FROM debian\nRUN apt-get install curl\n")
    for files, status in ((FILES, 0), ([bad], 1)):
        done = subprocess.run([linter, *map(str, files)], capture_output=True, text=True, timeout=60)
        assert done.returncode == status, done.stdout
