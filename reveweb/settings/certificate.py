"""The certificate and the key that images are signed with: what cannot work is refused at start, by its name."""

from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def compare(certificate: str, key: str) -> None:
    """Look at the two files. Raises ImproperlyConfigured for what is no certificate or key, or not its key."""
    from cryptography.exceptions import UnsupportedAlgorithm  # here, for few need it
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificates

    try:
        first = load_pem_x509_certificates(Path(certificate).read_bytes())[0]
    except (ValueError, IndexError):
        raise ImproperlyConfigured(
            "C2PA_CERTIFICATE must be a file of certificates in PEM form: the signer's, then those of its issuers."
        ) from None
    try:
        private = load_pem_private_key(Path(key).read_bytes(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ImproperlyConfigured(
            "C2PA_PRIVATE_KEY must be a file with a key in PEM form, without a password."
        ) from None
    if not isinstance(private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise ImproperlyConfigured("C2PA_PRIVATE_KEY must be a key of elliptic curves, RSA or Ed25519.")
    if private.public_key() != first.public_key():
        raise ImproperlyConfigured("C2PA_PRIVATE_KEY is not the key of the first certificate in C2PA_CERTIFICATE.")
