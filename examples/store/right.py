"""The same store, corrected: one node owns the data, makes it durable before it answers, and the others ask it."""
import os, sys, threading, urllib.error, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

listen, peers, folder = sys.argv[1], sys.argv[2].split(","), sys.argv[3]
owner, values, lock = peers[0], {}, threading.Lock()
os.makedirs(folder, exist_ok=True)
log = open(os.path.join(folder, "log"), "ab+", buffering=0)
log.seek(0)
for line in log.read().split(b"\n"):
    if line.endswith(b";"):  # a line cut by a crash was never answered
        key, value = line[:-1].decode().split(" ")
        values[key] = value.encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle(self):
        try:
            super().handle()
        except ConnectionError:
            pass  # whoever asked was killed: no fault of this node

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def ask_owner(self, body):
        request = urllib.request.Request(f"http://{owner}{self.path}", data=body, method=self.command)
        try:
            with urllib.request.urlopen(request, timeout=1) as answer:
                self.answer(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            self.answer(error.code)
        except OSError:
            self.answer(502)  # it may have happened: neither ok nor fail

    def do_GET(self):
        if listen != owner:
            return self.ask_owner(None)
        with lock:
            value = values.get(self.path.split("/")[-1])
        self.answer(404) if value is None else self.answer(200, value)

    def do_PUT(self):
        value = self.rfile.read(int(self.headers["Content-Length"]))
        if listen != owner:
            return self.ask_owner(value)
        key = self.path.split("/")[-1]
        with lock:
            log.write(f"\n{key} {value.decode()};".encode())
            os.fsync(log.fileno())
            values[key] = value
        self.answer(200)

    def log_message(self, *arguments):
        pass


host, port = listen.split(":")
ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
