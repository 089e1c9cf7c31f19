"""Certificates to sign images with: a leaf as C2PA wants it, and the one that issued it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ISSUER = "Example Authority"


def make(folder: Path, whose: str = "Fox Studio", *, days: int = 30) -> tuple[str, str]:
    """Write a chain and its key into `folder`, good until `days` from now, and return their paths."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    chain = [_issued(whose, key, authority, days=days), _issued(ISSUER, authority, authority, days=days)]
    paths = folder / f"{whose}.pem", folder / f"{whose}.key"
    paths[0].write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in chain))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(paths[0]), str(paths[1])


def _issued(
    whose: str, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey, *, days: int
) -> x509.Certificate:
    is_authority, now = key is by, datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        **dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False),
        **dict.fromkeys(("encipher_only", "decipher_only"), False),
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(whose))
        .issuer_name(_name(ISSUER))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    )
    if not is_authority:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purpose, critical=False)
    return builder.sign(by, hashes.SHA256())


def _name(whose: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, whose), x509.NameAttribute(NameOID.COMMON_NAME, f"{whose} 2026")]
    )
