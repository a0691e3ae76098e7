"""A replicated key-value store, wrong on purpose: it answers a write before its peers know of it, and a read from what it has."""
import http.client, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

me, peers, values = sys.argv[1], sys.argv[2].split(","), {}


def replicate(path, value):
    for peer in peers:
        if peer != me:
            try:
                connection = http.client.HTTPConnection(peer, timeout=1)
                connection.request("PUT", "/copy" + path, value)
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                pass  # the peer is down: it will never hear of this write


class Store(BaseHTTPRequestHandler):
    protocol_version, wbufsize = "HTTP/1.1", -1

    def do_GET(self):
        self.answer(values.get(self.path))

    def do_PUT(self):
        path, value = self.path.removeprefix("/copy"), self.rfile.read(int(self.headers["Content-Length"]))
        values[path] = value
        if path == self.path:  # from a client, not from a peer
            threading.Thread(target=replicate, args=(path, value)).start()
        self.answer(value)

    def answer(self, value):
        self.send_response(404 if value is None else 200)
        self.send_header("Content-Length", str(len(value or b"")))
        self.end_headers()
        self.wfile.write(value or b"")

    def log_message(self, *_):
        pass


ThreadingHTTPServer.handle_error = lambda *_: None  # a client that went away
host, port = me.split(":")
ThreadingHTTPServer((host, int(port)), Store).serve_forever()
