"""`_ssl` without a network: contexts can be made and set up, and nothing is
ever connected. The numbers are those of OpenSSL 3."""

from os import urandom

_NO_NETWORK = (
    "the sandbox has no network; call a tool of an MCP server for it: "
    "`from servers.NAME import TOOL`"
)

OPENSSL_VERSION = "OpenSSL 3.0.0 (no TLS in the sandbox)"
OPENSSL_VERSION_INFO = _OPENSSL_API_VERSION = 3, 0, 0, 0, 0
OPENSSL_VERSION_NUMBER = 0x3000_0000
_DEFAULT_CIPHERS = "DEFAULT"

HAS_SNI = HAS_ECDH = HAS_ALPN = HAS_TLSv1_2 = HAS_TLSv1_3 = True

PROTOCOL_SSLv23 = PROTOCOL_TLS = 2
PROTOCOL_TLSv1, PROTOCOL_TLSv1_1, PROTOCOL_TLSv1_2 = 3, 4, 5
PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER = 16, 17

PROTO_MINIMUM_SUPPORTED, PROTO_MAXIMUM_SUPPORTED = -2, -1
PROTO_SSLv3, PROTO_TLSv1, PROTO_TLSv1_1 = 0x300, 0x301, 0x302
PROTO_TLSv1_2, PROTO_TLSv1_3 = 0x303, 0x304

CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED = 0, 1, 2
ENCODING_PEM, ENCODING_DER = 1, 2

VERIFY_DEFAULT = 0
VERIFY_CRL_CHECK_LEAF = 0x4
VERIFY_CRL_CHECK_CHAIN = 0xC
VERIFY_X509_STRICT = 0x20
VERIFY_ALLOW_PROXY_CERTS = 0x40
VERIFY_X509_TRUSTED_FIRST = 0x8000
VERIFY_X509_PARTIAL_CHAIN = 0x8_0000

OP_ALL = 0x8000_0050
OP_NO_SSLv2 = OP_SINGLE_DH_USE = OP_SINGLE_ECDH_USE = 0
OP_LEGACY_SERVER_CONNECT = 0x4
OP_ENABLE_KTLS = 0x8
OP_IGNORE_UNEXPECTED_EOF = 0x80
OP_NO_TICKET = 0x4000
OP_NO_COMPRESSION = 0x2_0000
OP_ENABLE_MIDDLEBOX_COMPAT = 0x10_0000
OP_CIPHER_SERVER_PREFERENCE = 0x40_0000
OP_NO_SSLv3 = 0x200_0000
OP_NO_TLSv1 = 0x400_0000
OP_NO_TLSv1_2 = 0x800_0000
OP_NO_TLSv1_1 = 0x1000_0000
OP_NO_TLSv1_3 = 0x2000_0000
OP_NO_RENEGOTIATION = 0x4000_0000

HOSTFLAG_ALWAYS_CHECK_SUBJECT = 0x1
HOSTFLAG_NO_WILDCARDS = 0x2
HOSTFLAG_NO_PARTIAL_WILDCARDS = 0x4
HOSTFLAG_MULTI_LABEL_WILDCARDS = 0x8
HOSTFLAG_SINGLE_LABEL_SUBDOMAINS = 0x10
HOSTFLAG_NEVER_CHECK_SUBJECT = 0x20

SSL_ERROR_SSL, SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE = 1, 2, 3
SSL_ERROR_WANT_X509_LOOKUP, SSL_ERROR_SYSCALL, SSL_ERROR_ZERO_RETURN = 4, 5, 6
SSL_ERROR_WANT_CONNECT, SSL_ERROR_EOF, SSL_ERROR_INVALID_ERROR_CODE = 7, 8, 10

_ALERTS = {
    "CLOSE_NOTIFY": 0,
    "UNEXPECTED_MESSAGE": 10,
    "BAD_RECORD_MAC": 20,
    "RECORD_OVERFLOW": 22,
    "DECOMPRESSION_FAILURE": 30,
    "HANDSHAKE_FAILURE": 40,
    "BAD_CERTIFICATE": 42,
    "UNSUPPORTED_CERTIFICATE": 43,
    "CERTIFICATE_REVOKED": 44,
    "CERTIFICATE_EXPIRED": 45,
    "CERTIFICATE_UNKNOWN": 46,
    "ILLEGAL_PARAMETER": 47,
    "UNKNOWN_CA": 48,
    "ACCESS_DENIED": 49,
    "DECODE_ERROR": 50,
    "DECRYPT_ERROR": 51,
    "PROTOCOL_VERSION": 70,
    "INSUFFICIENT_SECURITY": 71,
    "INTERNAL_ERROR": 80,
    "USER_CANCELLED": 90,
    "NO_RENEGOTIATION": 100,
    "UNSUPPORTED_EXTENSION": 110,
    "CERTIFICATE_UNOBTAINABLE": 111,
    "UNRECOGNIZED_NAME": 112,
    "BAD_CERTIFICATE_STATUS_RESPONSE": 113,
    "BAD_CERTIFICATE_HASH_VALUE": 114,
    "UNKNOWN_PSK_IDENTITY": 115,
}
globals().update(
    {f"ALERT_DESCRIPTION_{name}": number for name, number in _ALERTS.items()}
)

# What `ssl.Purpose` asks for.
_OBJECTS = {
    "1.3.6.1.5.5.7.3.1": (129, "serverAuth", "TLS Web Server Authentication"),
    "1.3.6.1.5.5.7.3.2": (130, "clientAuth", "TLS Web Client Authentication"),
}


def __getattr__(name):
    if name.startswith("HAS_"):
        return False
    raise AttributeError(f"module '_ssl' has no attribute {name!r}")


class SSLError(OSError):
    """An error of TLS."""

    __module__ = "ssl"
    library = reason = None


class SSLZeroReturnError(SSLError):
    """The connection was closed."""

    __module__ = "ssl"


class SSLWantReadError(SSLError):
    """More has to be read first."""

    __module__ = "ssl"


class SSLWantWriteError(SSLError):
    """More has to be written first."""

    __module__ = "ssl"


class SSLSyscallError(SSLError):
    """The system reported an error."""

    __module__ = "ssl"


class SSLEOFError(SSLError):
    """The connection ended too early."""

    __module__ = "ssl"


class SSLCertVerificationError(SSLError, ValueError):
    """The certificate is not to be trusted."""

    __module__ = "ssl"


def _refuse(*_args, **_keywords):
    raise PermissionError(_NO_NETWORK)


def _nothing(*_args, **_keywords):
    return None


class _SSLContext:
    """What a connection would be made with."""

    def __new__(cls, protocol):
        self = super().__new__(cls)
        client = protocol == PROTOCOL_TLS_CLIENT
        self.__dict__.update(
            protocol=protocol,
            options=OP_ALL | OP_NO_SSLv3 | OP_NO_COMPRESSION,
            verify_mode=CERT_REQUIRED if client else CERT_NONE,
            check_hostname=client,
            verify_flags=VERIFY_X509_TRUSTED_FIRST,
            minimum_version=PROTO_TLSv1_2,
            maximum_version=PROTO_MAXIMUM_SUPPORTED,
            _host_flags=HOSTFLAG_NO_PARTIAL_WILDCARDS,
        )
        return self

    post_handshake_auth = False
    sni_callback = keylog_filename = None
    num_tickets = security_level = 2

    set_ciphers = set_default_verify_paths = load_verify_locations = _nothing
    set_ecdh_curve = set_alpn_protocols = _set_alpn_protocols = _nothing
    load_cert_chain = load_dh_params = _nothing
    set_psk_client_callback = set_psk_server_callback = _nothing
    _wrap_socket = _wrap_bio = _refuse

    def get_ciphers(self):
        return []

    def get_ca_certs(self, binary_form=False):
        return []

    def cert_store_stats(self):
        return {"x509": 0, "crl": 0, "x509_ca": 0}

    def session_stats(self):
        return {}


def _kept(name, default=None):
    """A property, because `ssl.SSLContext` sets it through this class."""

    def get(self):
        return self.__dict__.get(name, default)

    def set(self, value):
        self.__dict__[name] = value

    return property(get, set)


for _name in (
    "options",
    "verify_mode",
    "verify_flags",
    "minimum_version",
    "maximum_version",
    "check_hostname",
    "protocol",
    "_host_flags",
    "_msg_callback",
):
    setattr(_SSLContext, _name, _kept(_name))


class MemoryBIO:
    """Bytes between a connection and its user."""

    def __init__(self):
        self._data = bytearray()
        self._ended = False

    @property
    def pending(self):
        return len(self._data)

    @property
    def eof(self):
        return self._ended and not self._data

    def read(self, size=-1):
        size = len(self._data) if size < 0 else size
        data = bytes(self._data[:size])
        del self._data[:size]
        return data

    def write(self, data):
        if self._ended:
            raise SSLError("cannot write() after write_eof()")
        self._data += data
        return len(data)

    def write_eof(self):
        self._ended = True


class SSLSession:
    """What a connection could be taken up again with."""


class Certificate:
    """What a server would show."""


def txt2obj(text, name=False):
    for oid, (number, short, long) in _OBJECTS.items():
        if text in ((short, long) if name else (oid,)):
            return number, short, long, oid
    raise ValueError(f"unknown object {text!r:.100}")


def nid2obj(number):
    for oid, (known, short, long) in _OBJECTS.items():
        if number == known:
            return known, short, long, oid
    raise ValueError(f"unknown NID {number}")


def RAND_status():
    return True


def RAND_add(_bytes, _entropy):
    return None


def RAND_bytes(count):
    return urandom(count)


def get_default_verify_paths():
    return "SSL_CERT_FILE", "", "SSL_CERT_DIR", ""
