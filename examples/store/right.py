"""The same store, corrected: one node owns the data and makes it durable before it answers; the others ask it."""
import http.client, os, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

me, owner, folder, lock = sys.argv[1], sys.argv[2].split(",")[0], sys.argv[3], threading.Lock()
os.makedirs(folder, exist_ok=True)


def load(name):
    return open(name, "rb").read() if os.path.exists(name) else None


def save(name, value):
    with open(name + ".new", "wb") as file:
        file.write(value)
        file.flush()
        os.fsync(file.fileno())
    os.replace(name + ".new", name)  # the old value or the new one, whenever we are killed


class Store(BaseHTTPRequestHandler):
    protocol_version, wbufsize = "HTTP/1.1", -1

    def do_GET(self):
        self.serve(None)

    def do_PUT(self):
        self.serve(self.rfile.read(int(self.headers["Content-Length"])))

    def serve(self, value):
        if me != owner:
            return self.ask_owner(value)
        name = os.path.join(folder, self.path.replace("/", "_"))
        with lock:
            if value is not None:
                save(name, value)
            value = load(name)
        self.answer(404 if value is None else 200, value or b"")

    def ask_owner(self, value):
        try:
            connection = http.client.HTTPConnection(owner, timeout=1)
            connection.request(self.command, self.path, value)
            response = connection.getresponse()
            self.answer(response.status, response.read())
        except (OSError, http.client.HTTPException):
            self.answer(502, b"")  # it may have happened: neither ok nor fail

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer.handle_error = lambda *_: None  # a client that went away
host, port = me.split(":")
ThreadingHTTPServer((host, int(port)), Store).serve_forever()
