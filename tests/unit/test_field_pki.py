"""Facts of the folder of certificates and of what is demanded of a server's certificate."""

from __future__ import annotations

import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from connectors.cli import main
from connectors.field.opcua.certificates import load, thumbprint
from connectors.field.opcua.pki import Pki
from tests.pki_lab import CA_KEY, KEY, NOW, SMALL_KEY, URI, der, made, usage
from twin.errors import DataError, LinetwinError, NotFoundError, SourceError


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path / "data" / "pki", NOW.timestamp)


def check(pki: Pki, certificate: x509.Certificate, host: str = "press.example") -> None:
    pki.check(der(certificate), source="machines", application_uri=URI, host=host)


def fault(pki: Pki, certificate: x509.Certificate, host: str = "press.example") -> str:
    with pytest.raises(SourceError) as e:
        check(pki, certificate, host)
    assert "\n" not in str(e.value)
    assert str(e.value).startswith('source "machines": the certificate ')
    return str(e.value)


def trusted(pki: Pki, tmp_path: Path, certificate: x509.Certificate, **more: bool) -> None:
    file = tmp_path / "given.der"
    file.write_bytes(der(certificate))
    pki.trust(str(file), **more)


def test_unknown_certificate_is_refused_kept_and_accepted_once_trusted(pki: Pki) -> None:
    certificate = made()
    line = fault(pki, certificate)
    print_ = thumbprint(certificate)
    remedy = f"linetwin pki trust {print_[:12]} --data {pki.folder.parent}"
    assert line.endswith(
        f"(press) is not trusted; compare its thumbprint with the server's, then: {remedy}"
    )
    (known,) = pki.list()
    assert (known.thumbprint, known.trusted, known.subject) == (print_, False, "press")
    assert known.file.parent.name == "rejected"
    pki.trust(print_[:12].lower())
    check(pki, certificate)
    assert [k.trusted for k in pki.list()] == [True]


def test_certificate_is_refused_again_after_reject(pki: Pki, tmp_path: Path) -> None:
    certificate = made()
    trusted(pki, tmp_path, certificate)
    check(pki, certificate)
    pki.reject(thumbprint(certificate))
    assert "is not trusted" in fault(pki, certificate)
    assert [k.trusted for k in pki.list()] == [False]


@pytest.mark.parametrize(
    ("certificate", "says"),
    [
        (made(days=(-10, -1)), "expired on 2026-03-15; renew it on the server"),
        (made(days=(1, 10)), "is not valid before 2026-03-17 12:00 UTC; set the clock"),
        (made(uri="urn:other"), 'is for the application "urn:other", but the server says'),
        (made(uri=None), 'is for the application "None"'),
        (made(use=usage(digital_signature=False)), "is not for signing and encrypting"),
        (made(use=usage(data_encipherment=False)), "is not for signing and encrypting"),
        (made(server=False), "is not for a server (extendedKeyUsage)"),
        (made(key=SMALL_KEY), "has no RSA key of 2048 bits or more"),
    ],
)
def test_faulty_certificate_is_refused_whether_trusted_or_not(
    pki: Pki, tmp_path: Path, certificate: x509.Certificate, says: str
) -> None:
    assert says in fault(pki, certificate)
    trusted(pki, tmp_path, certificate)
    assert says in fault(pki, certificate)


def test_host_must_be_in_the_certificate_unless_people_say_otherwise(
    pki: Pki, tmp_path: Path
) -> None:
    certificate = made()
    trusted(pki, tmp_path, certificate)
    check(pki, certificate, host="PRESS.example")
    check(pki, certificate, host="10.0.0.5")
    line = fault(pki, certificate, host="10.0.0.6")
    assert "is for press.example, 10.0.0.5, not for 10.0.0.6; use such a host in url" in line
    assert f"linetwin pki trust {thumbprint(certificate)[:12]} --any-host" in line
    pki.trust(thumbprint(certificate), any_host=True)
    check(pki, certificate, host="10.0.0.6")
    assert len(pki.list()) == 1


def test_trusted_authority_vouches_through_its_chain_and_can_revoke(
    pki: Pki, tmp_path: Path
) -> None:
    root = made("root", key=CA_KEY, authority=True)
    middle = made("middle", authority=True, issuer=root, issuer_key=CA_KEY)
    server = made(issuer=middle, issuer_key=KEY)
    trusted(pki, tmp_path, root)
    assert "is not trusted" in fault(pki, server)
    sent = der(server) + der(middle)
    pki.check(sent, source="machines", application_uri=URI, host="10.0.0.5")
    revoked = x509.RevokedCertificateBuilder(middle.serial_number, NOW).build()
    crl = x509.CertificateRevocationListBuilder(root.subject, NOW, NOW + timedelta(days=9))
    signed = crl.add_revoked_certificate(revoked).sign(CA_KEY, hashes.SHA256())
    (pki.folder / "trusted" / "root.crl").write_bytes(signed.public_bytes(Encoding.DER))
    with pytest.raises(SourceError, match="has been revoked by its issuer"):
        pki.check(sent, source="machines", application_uri=URI, host="10.0.0.5")


def test_a_trusted_server_certificate_vouches_for_no_other(pki: Pki, tmp_path: Path) -> None:
    plain = made("plain", key=CA_KEY)
    trusted(pki, tmp_path, plain)
    assert "is not trusted" in fault(pki, made(issuer=plain, issuer_key=CA_KEY))


def test_what_is_no_certificate_is_one_clear_line(pki: Pki) -> None:
    for nonsense in (b"", b"0", b"hello", b"0\x82\xff\xff"):
        with pytest.raises(SourceError, match=r'source "m": the server\'s certificate cannot'):
            pki.check(nonsense, source="m", application_uri=URI, host="h")


def test_own_certificate_is_made_once_with_its_uri_and_a_private_key(pki: Pki) -> None:
    own = pki.own()
    assert pki.own() == own
    assert stat.S_IMODE(own.key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(own.key_file.parent.stat().st_mode) == 0o700
    certificate = load(own.certificate_file.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    assert uris == [own.application_uri]
    assert own.application_uri.startswith("urn:")
    assert own.application_uri.endswith(":linetwin")
    key = load_pem_private_key(own.key_file.read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.public_key() == certificate.public_key()
    assert sorted(p.name for p in pki.folder.iterdir()) == ["own"]


def test_own_certificate_that_expired_or_is_broken_says_what_to_do(pki: Pki) -> None:
    own = pki.own()
    later = Pki(pki.folder, (NOW + timedelta(days=4000)).timestamp)
    with pytest.raises(SourceError, match=r"expired on 2036-.*have the servers trust the new"):
        later.own()
    own.certificate_file.write_bytes(b"nonsense")
    with pytest.raises(SourceError, match=r"our own certificate in .* cannot be used"):
        pki.own()


def test_certificate_is_picked_by_enough_of_its_thumbprint(pki: Pki, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match='no certificate "ABCDEF"'):
        pki.trust("ABCDEF")
    with pytest.raises(DataError, match="too short"):
        pki.trust("AB")
    nonsense = tmp_path / "x.der"
    nonsense.write_bytes(b"x")
    with pytest.raises(DataError, match="holds no certificate"):
        pki.trust(str(nonsense))


def test_files_that_people_put_there_are_read_as_der_and_pem(pki: Pki) -> None:
    folder = pki.folder / "trusted"
    folder.mkdir(parents=True)
    one, two = made("one"), made("two")
    (folder / "one.crt").write_bytes(one.public_bytes(Encoding.PEM))
    (folder / "two.der").write_bytes(der(two))
    (folder / "notes.txt").write_text("not a certificate")
    (folder / "broken.der").write_bytes(b"broken")
    check(pki, one)
    check(pki, two)
    assert [k.subject for k in pki.list()] == ["one", "two"]


def test_folder_that_cannot_be_written_is_one_clear_line(pki: Pki) -> None:
    pki.folder.mkdir(parents=True)
    (pki.folder / "rejected").write_text("in the way")
    with pytest.raises(SourceError, match=r"a certificate cannot be kept in .*; make that folder"):
        check(pki, made())


def test_rejected_certificates_are_kept_up_to_a_number(
    pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.field.opcua.pki.MOST_REJECTED", 3)
    prints = []
    for i in range(5):
        certificate = made(f"server {i}")
        fault(pki, certificate)
        prints.append(thumbprint(certificate))
        (known,) = [k for k in pki.list() if k.thumbprint == prints[-1]]
        os.utime(known.file, (i, i))
    assert {k.thumbprint for k in pki.list()} == set(prints[2:])


def test_commands_list_trust_and_reject(pki: Pki) -> None:
    certificate = made()
    fault(pki, certificate)
    data = str(pki.folder.parent)

    def run(*words: str) -> str:
        result = CliRunner().invoke(main, ["pki", *words, "--data", data])
        assert result.exit_code == 0, result.output
        return result.output

    print_ = thumbprint(certificate)
    assert print_ in run("list")
    assert "rejected" in run("list")
    assert '"trusted": true' in run("trust", print_[:8], "--json")
    check(pki, certificate)
    assert "trusted" in run("list")
    run("reject", print_)
    with pytest.raises(LinetwinError):
        check(pki, certificate)
    missing = CliRunner().invoke(main, ["pki", "trust", "FFFFFFFF", "--data", data])
    assert missing.exit_code == 1
    assert missing.output.startswith("linetwin: no certificate")
