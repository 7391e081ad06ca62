"""Creates the cluster's certificate authority, its certificates, and the kubeconfigs that use them."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from localnode.settings import API_PORT, API_SERVICE_IP, CONFIG, DOMAIN, KUBECONFIG, NODE_IP, NODE_NAME, PKI
from localnode.shell import run

_DAYS = "3650"


@dataclass(frozen=True)
class Certificate:
    """A certificate to issue: for a client (user name and group), and for a server if it has addresses."""

    file: str
    name: str
    group: str = ""
    addresses: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """Returns the subject in the syntax of openssl."""
        return (f"/O={self.group}" if self.group else "") + f"/CN={self.name}"

    @property
    def extensions(self) -> str:
        """Returns the content of an openssl extension file."""
        usage = "serverAuth,clientAuth" if self.addresses else "clientAuth"
        lines = ["basicConstraints=CA:FALSE", f"extendedKeyUsage={usage}"]
        if self.addresses:
            kinds = (("IP:" if address[0].isdigit() else "DNS:") + address for address in self.addresses)
            lines.append("subjectAltName=" + ",".join(kinds))
        return "\n".join(lines) + "\n"


_SERVICE = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{DOMAIN}")
_API = (NODE_IP, API_SERVICE_IP, "127.0.0.1", "localhost", *_SERVICE)

CERTIFICATES = (
    Certificate("apiserver", "kube-apiserver", addresses=_API),
    Certificate("apiserver-kubelet", "kube-apiserver-kubelet", "system:masters"),
    Certificate("kubelet", f"system:node:{NODE_NAME}", "system:nodes", (NODE_IP, NODE_NAME)),
    Certificate("controller-manager", "system:kube-controller-manager"),
    Certificate("scheduler", "system:kube-scheduler"),
    Certificate("proxy", "system:kube-proxy"),
    Certificate("coredns", "system:coredns"),
    Certificate("admin", "kubernetes-admin", "system:masters"),
)
_CLIENTS = ("kubelet", "controller-manager", "scheduler", "proxy", "coredns")


def ensure() -> None:
    """Creates everything, unless it exists. The admin kubeconfig is written last and shows that all is complete."""
    if KUBECONFIG.exists():
        return
    PKI.mkdir(parents=True, exist_ok=True)
    CONFIG.mkdir(parents=True, exist_ok=True)
    PKI.chmod(0o700)
    _key("ca")
    authority = ("-key", PKI / "ca.key", "-subj", "/CN=quantumjob-node", "-days", _DAYS, "-out", PKI / "ca.crt")
    run("openssl", "req", "-x509", "-new", *authority)
    for certificate in CERTIFICATES:
        _sign(certificate)
    run("openssl", "genrsa", "-out", PKI / "service-account.key", "2048")
    run("openssl", "rsa", "-in", PKI / "service-account.key", "-pubout", "-out", PKI / "service-account.pub")
    for client in _CLIENTS:
        _write(CONFIG / f"{client}.kubeconfig", kubeconfig(client))
    _write(KUBECONFIG, kubeconfig("admin"))


def kubeconfig(client: str) -> str:
    """Returns a kubeconfig (in JSON) of a client, which refers to its key in the PKI folder."""
    cluster = {"server": f"https://{NODE_IP}:{API_PORT}", "certificate-authority": str(PKI / "ca.crt")}
    user = {"client-certificate": str(PKI / f"{client}.crt"), "client-key": str(PKI / f"{client}.key")}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NODE_NAME, "cluster": cluster}],
        "users": [{"name": client, "user": user}],
        "contexts": [{"name": NODE_NAME, "context": {"cluster": NODE_NAME, "user": client}}],
        "current-context": NODE_NAME,
    }
    return json.dumps(content, indent=2) + "\n"


def _key(name: str) -> None:
    curve = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    run("openssl", "genpkey", *curve, "-out", PKI / f"{name}.key")


def _sign(certificate: Certificate) -> None:
    _key(certificate.file)
    key, crt = PKI / f"{certificate.file}.key", PKI / f"{certificate.file}.crt"
    request = run("openssl", "req", "-new", "-key", key, "-subj", certificate.subject)
    with tempfile.NamedTemporaryFile("w", suffix=".ext") as extensions:
        extensions.write(certificate.extensions)
        extensions.flush()
        authority = ("-CA", PKI / "ca.crt", "-CAkey", PKI / "ca.key", "-CAcreateserial", "-days", _DAYS)
        run("openssl", "x509", "-req", *authority, "-extfile", extensions.name, "-out", crt, stdin=request)


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
