"""A replicated key-value store, wrong on purpose: it answers before its peers know, and reads what it has."""
import sys, threading, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

listen, peers = sys.argv[1], sys.argv[2].split(",")
values, lock = {}, threading.Lock()


def replicate(key, value):
    for peer in peers:
        if peer != listen:
            request = urllib.request.Request(f"http://{peer}/copy/{key}", data=value, method="PUT")
            try:
                urllib.request.urlopen(request, timeout=1).read()
            except OSError:
                pass  # the peer is down: it will never hear of this write


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        with lock:
            value = values.get(self.path.split("/")[-1])
        self.answer(404) if value is None else self.answer(200, value)

    def do_PUT(self):
        _, kind, key = self.path.split("/")
        value = self.rfile.read(int(self.headers["Content-Length"]))
        with lock:
            values[key] = value
        if kind == "kv":
            threading.Thread(target=replicate, args=(key, value)).start()
        self.answer(200)

    def log_message(self, *arguments):
        pass


host, port = listen.split(":")
ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
