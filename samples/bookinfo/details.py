"""details: what is printed on the first pages of a book. Python 3 and its standard library."""

import json
import os
import re
import signal
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BOOK = {
    "author": "William Shakespeare",
    "year": 1595,
    "type": "paperback",
    "pages": 200,
    "publisher": "PublisherA",
    "language": "English",
    "ISBN-10": "1234567890",
    "ISBN-13": "123-1234567890",
}


class Details(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are two writes, and the second must not wait for the first one's acknowledgement.
    disable_nagle_algorithm = True

    def do_GET(self):
        book = re.fullmatch(r"/details/(\d{1,9})", self.path.split("?")[0])
        if self.path == "/health":
            self.answer(200, {"status": "details is healthy"})
        elif book:
            self.answer(200, {"id": int(book[1]), **BOOK})
        else:
            self.answer(404, {"error": f"nothing at {self.path}"})

    def answer(self, status, body):
        data = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format, *args):
        """The proxy beside this program writes the access log."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self):
        # HTTPServer asks DNS for the host's full name here, which may take long and which nobody needs.
        socketserver.TCPServer.server_bind(self)


def main():
    host, port = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "9080"))
    try:
        server = Server((host, port), Details)
    except OSError as error:
        sys.exit(f"details: cannot listen on {host}:{port}: {error.strerror}")

    def stop(*_):
        # shutdown() waits for serve_forever(), which runs in the thread that handles signals.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"details listens on {host}:{port}", flush=True)
    server.serve_forever()


main()
