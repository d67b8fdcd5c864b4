"""The protocol of an extension, written from docs/protocol.md. The numbers in the comments are its sections."""

import ctypes
import datetime
import errno
import http.server
import json
import os
import secrets
import signal
import socket
import socketserver
import sys
import threading
import time
import traceback
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor

import grpc
import plugin_pb2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf import empty_pb2
from stagehouse.v1 import extension_pb2

MAJOR = 1
COOKIE = ("STAGEHOUSE_EXTENSION", "9f1d7c1e-0c53-4d8e-9a35-5b7d0a6f2c41")
ORPHAN_DRAIN = 5.0  # seconds
LINGER = 5.0  # seconds, for a connection without a request
MESSAGE_LIMITS = [("grpc.max_receive_message_length", 16 << 20), ("grpc.max_send_message_length", 16 << 20)]


class Problem(Exception):
    """What is wrong with a block: where, what, and what to do."""

    def __init__(self, pointer, message, suggestion="", severity="error"):
        super().__init__(message)
        self.about = {"severity": severity, "pointer": pointer, "message": message, "suggestion": suggestion}


class Extension:
    """What an author writes: the attributes, and start."""

    name = version = summary = ""
    requires = []
    schema = {}  # of the block: properties of plain types, with defaults

    def validate(self, config):
        """Yields Problems that the schema cannot say."""
        return ()

    def start(self, config, host):
        """Begins serving and returns."""
        raise NotImplementedError


def judge(extension, block):
    """Returns the block with its defaults, or None, and all problems. (1)"""
    try:
        config = json.loads(block or b"{}")
    except ValueError as err:
        return None, [Problem("", f"the block is not JSON: {err}")]
    if not isinstance(config, dict):
        return None, [Problem("", "the block must be a JSON object")]
    known, problems = extension.schema, []
    for key, value in config.items():
        at = "/" + key.replace("~", "~0").replace("/", "~1")
        if key not in known:
            problems.append(Problem(at, "unknown key", "the keys are " + ", ".join(known)))
        elif not isinstance(value, {"string": str, "boolean": bool, "integer": int}[known[key]["type"]]):
            problems.append(Problem(at, f"must be a {known[key]['type']}"))
    if not problems:
        config = {key: config.get(key, s["default"]) for key, s in known.items()}
        problems.extend(extension.validate(config))
    fatal = any(p.about["severity"] == "error" for p in problems)
    return (None if fatal else config), problems


def describe(extension):
    return {
        "name": extension.name, "version": extension.version, "summary": extension.summary, "protocol": MAJOR,
        "requires": extension.requires,
        "configSchema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object", "additionalProperties": False, "properties": extension.schema,
        },
    }


class Log:
    """Lines of hclog's JSON on standard error. (11)"""

    levels = ("trace", "debug", "info", "warn", "error")
    least = "info"

    def write(self, level, message, **about):
        if self.levels.index(level) < self.levels.index(self.least):
            return
        now = datetime.datetime.now(datetime.timezone.utc).isoformat()
        line = json.dumps({"@level": level, "@message": message, "@timestamp": now, **about}, default=str) + "\n"
        try:
            os.write(2, line.encode())
        except OSError:
            pass  # the host is gone, and reads no log

    def info(self, message, **about):
        self.write("info", message, **about)

    def error(self, message, **about):
        self.write("error", message, **about)


class Tether:
    """The line to the host: listeners come over it, and its end is the host's. (7)"""

    def __init__(self, environ, over):
        """Sets over when the host is gone."""
        self.serving, self.gone, self._over = threading.Event(), threading.Event(), over
        self._answers, self._news, self._last = {}, threading.Condition(), 0
        self._line = None
        if "STAGEHOUSE_TETHER_FD" in environ:
            self._line = socket.socket(fileno=int(environ.pop("STAGEHOUSE_TETHER_FD")))
            self._line.set_inheritable(False)
            threading.Thread(target=self._read, daemon=True).start()
            return
        self.serving.set()
        if environ.pop("STAGEHOUSE_LIFELINE", "") == "stdin":
            threading.Thread(target=lambda: (sys.stdin.read(), self._end()), daemon=True).start()

    def listen(self, address):
        """Returns a listening socket. It is not blocking, and must stay so: other processes have the same one."""
        if self._line is None:
            return bind(*address.rsplit(":", 1))
        with self._news:
            self._last += 1
            number = self._last
            self._send({"id": number, "op": "listen", "network": "tcp", "address": address})
            while number not in self._answers and not self.gone.is_set():
                self._news.wait()
            answer, listener = self._answers.pop(number, ({"error": "the host is gone"}, None))
        if listener is None:
            raise OSError(answer.get("error") or "the host sent no listener")
        return listener

    def left(self):
        if self._line is not None:
            self._send({"op": "left"})

    def _send(self, message):
        try:
            self._line.send(json.dumps(message).encode())
        except OSError:
            pass  # the reader sees that the host is gone

    def _end(self):
        with self._news:
            self.gone.set()
            self._news.notify_all()
        self._over.set()

    def _read(self):
        while True:
            try:
                text, descriptors, _, _ = socket.recv_fds(self._line, 4096, 4)
            except OSError:
                text = b""
            if not text:
                return self._end()
            message = json.loads(text)
            if message.get("id"):
                listener = socket.socket(fileno=descriptors[0]) if descriptors else None
                with self._news:
                    self._answers[message["id"]] = (message, listener)
                    self._news.notify_all()
                continue
            for bridge in descriptors:
                os.close(bridge)  # connections do not move
            if message.get("op") == "serve":
                self.serving.set()


def bind(host, port):
    """Listens, and waits for a moment where somebody has the address: it may be the generation before."""
    late = time.monotonic() + 2
    while True:
        try:
            return socket.create_server((host, int(port)))
        except OSError as err:
            if err.errno != errno.EADDRINUSE or time.monotonic() > late:
                raise
        time.sleep(0.02)


class Handler(http.server.BaseHTTPRequestHandler):
    """A request of an HttpServer. do_GET and the like are the author's."""

    protocol_version = "HTTP/1.1"

    def parse_request(self):
        ok = super().parse_request()
        if ok:
            self.server.begun(self.connection)
        return ok

    def handle_one_request(self):
        super().handle_one_request()
        self.server.ended(self.connection)

    def answer(self, status, content_type, body):
        body = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if self.server.leaving:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass  # a line for each request is too much


class HttpServer(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """An HTTP server that can be replaced without a client noticing. (8)"""

    daemon_threads = True
    timeout = 0.05  # seconds, between two looks whether it is time to leave

    def __init__(self, listener, handler, serving):
        http.server.HTTPServer.__init__(self, listener.getsockname()[:2], handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.leaving = False
        self._open, self._active, self._change = set(), set(), threading.Condition()
        self._accepting = threading.Thread(target=self._accept, args=(serving,), daemon=True)
        self._accepting.start()

    def _accept(self, serving):
        serving.wait()
        while not self.leaving:
            self.handle_request()

    def process_request(self, request, client_address):
        with self._change:
            self._open.add(request)
        super().process_request(request, client_address)

    def begun(self, connection):
        with self._change:
            self._active.add(connection)

    def ended(self, connection):
        with self._change:
            self._active.discard(connection)
            self._change.notify_all()

    def shutdown_request(self, request):
        super().shutdown_request(request)
        with self._change:
            self._open.discard(request)
            self._active.discard(request)
            self._change.notify_all()

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            log.error("a request failed", stack=traceback.format_exc())

    def leave(self, started):
        self.leaving = True
        if started:
            self._accepting.join()
        self.socket.close()

    def finish(self, deadline, final):
        """Waits for what is in flight, and returns what was cut off at the deadline."""
        with self._change:
            if not final:
                until(self._change, lambda: not self._open, min(deadline, time.monotonic() + LINGER))
            for connection in self._open - self._active:
                close(connection)
            until(self._change, lambda: not self._active, deadline)
            cut = len(self._active)
            for connection in self._open:
                close(connection)
            return cut


def until(change, condition, deadline):
    while not condition() and (left := deadline - time.monotonic()) > 0:
        change.wait(left)


def close(connection):
    try:
        connection.shutdown(socket.SHUT_RDWR)  # whoever reads from it sees its end
    except OSError:
        pass  # it is closed already


class Host:
    """What an extension sees of the host that runs it."""

    def __init__(self, init, channel, tether):
        self.name, self.generation, self.services = init.extension, init.generation, list(init.services)
        self._channel, self._tether = channel, tether
        self.servers, self.addresses = [], []

    def serve(self, address, handler):
        """Serves HTTP at an address of the host's."""
        listener = self._tether.listen(address)
        self.addresses.append("%s:%d" % listener.getsockname()[:2])
        self.servers.append(HttpServer(listener, handler, self._tether.serving))

    def call(self, method, request, answer, *scopes, timeout=10):
        """Calls a method such as /stagehouse.v1.Agents/List in the extension's own name. (9)"""
        request.caller.principal = "extension:" + self.name
        request.caller.scopes.extend(scopes)
        rpc = self._channel.unary_unary(method, type(request).SerializeToString, answer.FromString)
        return rpc(request, timeout=timeout)


class Life:
    """The life of an extension: a state machine that answers to the host. (6)"""

    def __init__(self, extension, broker, tether):
        self._extension, self._broker, self._tether = extension, broker, tether
        self._lock, self._draining, self._drained = threading.Lock(), None, threading.Event()
        self._state, self._cut, self._host, self._config = "created", 0, None, None

    def _move(self, context, call, before, after):
        with self._lock:
            if self._state == before:
                self._state = after
                return
        message = f"{call} was called while the extension is {self._state}; it is called once, when it is {before}"
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, message)

    def init(self, request, context):
        self._move(context, "Init", "created", "introduced")
        log.least = request.log_level if request.log_level in log.levels else log.least
        self._host = Host(request, self._broker.dial(request.broker_id), self._tether)
        e = self._extension
        return extension_pb2.InitResponse(name=e.name, version=e.version, requires=e.requires)

    def configure(self, request, context):
        self._move(context, "Configure", "introduced", "configured")
        self._config, problems = judge(self._extension, request.config)
        if self._config is None:
            self._state = "failed to start"
        return extension_pb2.ConfigureResponse(problems=[extension_pb2.Problem(**p.about) for p in problems])

    def start(self, _request, context):
        self._move(context, "Start", "configured", "starting")
        try:
            self._extension.start(self._config, self._host)
        except Exception as err:
            self._state = "failed to start"
            context.abort(grpc.StatusCode.INTERNAL, str(err))
        self._move(context, "Start", "starting", "started")
        return extension_pb2.StartResponse(listeners=self._host.addresses)

    def health(self, _request, context):
        if self._state != "draining":
            self._move(context, "Health", "started", "started")
        return extension_pb2.HealthResponse()

    def drain(self, request, _context):
        return extension_pb2.DrainResponse(unfinished=self.finish(request.deadline_ms / 1000, request.final))

    def finish(self, seconds, final):
        """Finishes what is in flight. Only the first call does; the others wait for it. (8)"""
        with self._lock:
            first, self._draining = self._draining is None, True
            self._state = "draining" if first else self._state
        if first:
            deadline = time.monotonic() + seconds
            servers = self._host.servers if self._host else []
            for server in servers:
                server.leave(self._tether.serving.is_set())
            self._tether.left()
            self._cut = sum(server.finish(deadline, final) for server in servers)
            self._state = "drained"
            self._drained.set()
        self._drained.wait()
        return self._cut


class Broker:
    """Where the host accepts further connections. (5)"""

    def __init__(self, identity, host_pem):
        self._identity, self._host_pem = identity, host_pem
        self._places, self._news = {}, threading.Condition()

    def start_stream(self, infos, _context):
        for info in infos:
            if not info.HasField("knock"):  # which is of multiplexing, and that was declined
                with self._news:
                    self._places[info.service_id] = info
                    self._news.notify_all()
        return iter(())

    def dial(self, number):
        with self._news:
            if not self._news.wait_for(lambda: number in self._places, timeout=5):
                raise TimeoutError(f"the host did not say where connection {number} leads")
            place = self._places[number]
        address = ("unix:" if place.network == "unix" else "") + place.address
        key, certificate, _ = self._identity
        credentials = grpc.ssl_channel_credentials(self._host_pem, key, certificate)
        names = [("grpc.ssl_target_name_override", "localhost"), ("grpc.default_authority", "localhost")]
        return grpc.secure_channel(address, credentials, options=names + MESSAGE_LIMITS)


def make_identity():
    """Returns a key, a certificate that signs itself, and that in DER. (4)"""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now, purposes = datetime.datetime.utcnow(), [x509.ExtendedKeyUsageOID.SERVER_AUTH, x509.ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1)).not_valid_after(now + datetime.timedelta(days=10950))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding
    key_pem = key.private_bytes(encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key_pem, certificate.public_bytes(encoding.PEM), certificate.public_bytes(encoding.DER)


def serve(extension):
    """Serves the host until it says that it is enough, or is gone. (3, 5, 8)"""
    environ, over, parent = os.environ, threading.Event(), os.getppid()
    tether = Tether(environ, over)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: the end of the host leaves time to drain
    identity, host_pem = make_identity(), environ["PLUGIN_CLIENT_CERT"].encode()
    broker = Broker(identity, host_pem)
    life = Life(extension, broker, tether)

    def unary(f, request):
        return grpc.unary_unary_rpc_method_handler(f, request.FromString, lambda m: m.SerializeToString())

    def stdio(_request, context):
        ended = threading.Event()
        context.add_callback(ended.set)
        ended.wait()
        return iter(())

    server = grpc.server(ThreadPoolExecutor(16), options=MESSAGE_LIMITS)
    e, p = extension_pb2, plugin_pb2
    server.add_generic_rpc_handlers([
        grpc.method_handlers_generic_handler("stagehouse.v1.Extension", {
            "Init": unary(life.init, e.InitRequest), "Configure": unary(life.configure, e.ConfigureRequest),
            "Start": unary(life.start, e.StartRequest), "Health": unary(life.health, e.HealthRequest),
            "Drain": unary(life.drain, e.DrainRequest),
        }),
        grpc.method_handlers_generic_handler("plugin.GRPCBroker", {
            "StartStream": grpc.stream_stream_rpc_method_handler(
                broker.start_stream, p.ConnInfo.FromString, p.ConnInfo.SerializeToString),
        }),
        grpc.method_handlers_generic_handler("plugin.GRPCStdio", {
            "StreamStdio": grpc.unary_stream_rpc_method_handler(
                stdio, empty_pb2.Empty.FromString, p.StdioData.SerializeToString),
        }),
        grpc.method_handlers_generic_handler("plugin.GRPCController", {
            "Shutdown": unary(lambda *_: (over.set(), p.Empty())[1], p.Empty),
        }),
    ])
    key, certificate, der = identity
    path = os.path.join(environ["PLUGIN_UNIX_SOCKET_DIR"], "plugin" + secrets.token_hex(6))
    server.add_secure_port("unix:" + path, grpc.ssl_server_credentials([(key, certificate)], host_pem, True))
    server.start()
    line = f"1|{MAJOR}|unix|{path}|grpc|{b64encode(der).decode().rstrip('=')}|false\n"
    os.write(1, line.encode())

    over.wait()
    life.finish(ORPHAN_DRAIN, final=True)
    if (tether.gone.is_set() or os.getppid() != parent) and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)  # nobody else is left to end what the process has started
    server.stop(0.5).wait()  # the answer to Shutdown goes out
    os._exit(0)


def main(extension):
    """The whole main program of an extension."""
    check = os.environ.get("STAGEHOUSE_CHECK") == "1"
    if not check and os.environ.get(COOKIE[0]) == COOKIE[1]:
        return serve(extension)
    if check or sys.argv[-1] == "check":
        problems = judge(extension, sys.stdin.buffer.read())[1]
        print(json.dumps({"description": describe(extension), "problems": [p.about for p in problems]}))
        sys.exit(1 if not check and any(p.about["severity"] == "error" for p in problems) else 0)
    if sys.argv[-1] == "describe":
        return print(json.dumps(describe(extension), indent=2))
    print(f"{sys.argv[0]} is an extension of stagehouse ({extension.name} {extension.version}) and is run by its host", file=sys.stderr)
    sys.exit(2)


log = Log()
